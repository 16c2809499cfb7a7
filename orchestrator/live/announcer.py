"""Lines that a run prints in its terminal: its start, its parts, and how it ended."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from midstep.diffusion.factory import named_profile
from midstep.errors import MidstepError
from midstep.scenario import Scenario
from midstep.telemetry.record import RequestRow
from midstep.workload.trace import Trace
from orchestrator.live.cell import Cell
from orchestrator.live.setting import resolve_cut_rule, run_split_step
from orchestrator.records.folders import read_scenario
from orchestrator.records.machine_pace import in_words, too_slow
from orchestrator.records.metrics import tail

__all__ = [
    "announce_cell",
    "headline",
    "profile_doubt",
    "requests_line",
    "seed_line",
    "start_line",
    "store_line",
    "truncation_line",
]

HOW = {
    "instants": "open replay at the recorded instants",
    "think times": "closed replay by the recorded think times",
}


def start_line(scenario: Scenario) -> str:
    """The line before a run: its scenario, and which parts are real."""
    model = scenario.model
    modes = scenario.modes
    return (
        f"midstep: {scenario.name}, model {model.path}, steps {model.steps} {_cut(scenario)}, "
        f"policy {scenario.policy.name}{_similar(scenario)}, {scenario.duration_s:g} s "
        f"({modes.denoiser}, {modes.clock}, {modes.wire})"
    )


def _cut(scenario: Scenario) -> str:
    """Where pictures are cut: at one step, or by which rule."""
    if scenario.modes.edge == "coupled":
        return f"cut by each slot's plan, at {scenario.last_step} at most"
    rule = resolve_cut_rule(scenario)
    if rule == "fixed":
        return f"cut at {run_split_step(scenario)}"
    return f"cut by the rule {rule}{' (auto)' if rule != scenario.cut.rule else ''}"


def _similar(scenario: Scenario) -> str:
    """The rule by which other prompts' outputs serve, where they do."""
    rule = scenario.reuse.similar
    return "" if rule is None else f", like prompts by the rule {rule}"


def profile_doubt(scenario: Scenario) -> str | None:
    """A word where the scenario's step times were measured on a busy machine; None where they were
    not, or their file is not here, as on a cluster."""
    if scenario.model.profile is None:
        return None
    try:
        profile = named_profile(scenario.model)
    except MidstepError:
        return None
    if not profile.busy:
        return None
    return (
        f"the profile {scenario.model.profile} was measured while its machine was busy "
        f"({profile.measured_on}): its times may be too long; `midstep calibrate --out FILE` "
        f"measures them again"
    )


def announce_cell(cell: Cell, policy: str, folder: Path, say: Callable[[str], None]) -> None:
    """An edge, its devices and its learner, two lines; a third where its machine is too slow."""
    about = cell.description
    step = f"{about.step_s * 1e3:.1f} ms a step" if cell.pace is None else in_words(cell.pace)
    say(
        f"{about.edge} at {cell.address} (pid {about.process_id}), {step}; "
        f"{len(cell.devices)} devices in {len(cell.hosts)} hosts; metrics in "
        f"{folder / 'targets.json'}"
    )
    say(f"policy {policy} decides in the learner (pid {cell.learner.process_id})")
    for line in too_slow({} if cell.pace is None else {about.edge: cell.pace}):
        say(f"midstep: the run will be INVALID unless its own ticks are faster: {line}")


def store_line(cell: Cell, capacity: int) -> str:
    """How many outputs an edge's store of `capacity` bytes holds."""
    fit = capacity // cell.output_bytes
    return (
        f"the store of {cell.name}, {capacity:,} bytes, holds {fit:,} outputs of "
        f"{cell.output_bytes:,} bytes"
    )


def requests_line(trace: Trace, scenario: Scenario) -> str:
    """A sentence on the requests that a list or a trace names, and when they are sent."""
    law = scenario.workload.arrivals.law
    when = f"by the scenario's arrivals ({law})" if trace.arrivals is None else HOW[trace.arrivals]
    late = sum(one.due_s is not None and one.due_s >= scenario.duration_s for one in trace.requests)
    rest = f"; {late} are due after the run's end" if late else ""
    users = "each user's" if trace.users else "users in turn"
    seed = _other_seed(trace, scenario)
    return f"{trace.source}: {len(trace.requests)} requests, {users}, {when}{rest}{seed}"


def _other_seed(trace: Trace, scenario: Scenario) -> str:
    """A word where a run is met again with another seed, which decides gains and speeds."""
    if not trace.of_run:
        return ""
    try:
        recorded = read_scenario(Path(trace.source)).seed
    except MidstepError:  # damaged: nobody can say
        return ""
    if recorded == scenario.seed:
        return ""
    return f"; the seed is {scenario.seed}, recorded with {recorded}: other gains and speeds"


def seed_line(scenario: Scenario, verdict: str, status: int, folder: Path) -> str | None:
    """How to play the same events again, where they were drawn and the run was not in order."""
    drawn = any(event.chance is not None for event in scenario.timeline)
    if not drawn or (verdict == "VALID" and status == 0):
        return None
    return (
        f"its events were drawn from seed {scenario.seed}; the same again: midstep run "
        f"{folder}/scenario.yaml"
    )


def headline(summary: Mapping[str, Any], policy: str) -> str:
    """A run in four lines, and one for each of the reasons for which most requests were not
    done."""
    metrics = summary["policies"][policy]
    means = {name: value["mean"] for name, value in metrics.items()}
    label, seconds = tail(metrics)
    slowest = f"{label} {'-' if seconds is None else f'{seconds:.2f}'} s"

    def show(name: str, form: str) -> str:
        return "-" if means[name] is None else form.format(means[name])

    seldom = [name for name in ("unfinished", "dropped") if means[name]]
    rest = "".join(f", {show(name, '{:.0f}')} {name}" for name in seldom)
    warmup_s = summary["run"].get("warmup_s")
    similar = ""
    if means.get("similar_ratio"):
        similar = f", from other prompts' outputs {show('similar_ratio', '{:.1%}')}"
    since = f" (measured from {warmup_s:g} s on)" if warmup_s else ""
    return (
        f"{show('requests', '{:.0f}')} pictures, {show('rejected', '{:.0f}')} rejected, "
        f"{show('failed', '{:.0f}')} failed{rest}; "
        f"hit ratio {show('hit_ratio', '{:.1%}')}, resumed "
        f"{show('partial_ratio', '{:.1%}')}{similar}{since}\n"
        f"cut at step {show('cut_step', '{:.1f}')} in the mean, limit "
        f"{show('reuse_limit', '{:.1f}')}; {_saved_steps(summary, means)}\n"
        f"response p50 {show('p50_s', '{:.2f}')} s, {slowest}; "
        f"edge time saved {show('edge_saved_ms', '{:.0f}')} ms a request; "
        f"PSNR against no reuse {show('psnr_db', '{:.1f}')} dB\n"
        f"{_reasons(summary['run'].get('not_done', []))}"
        f"{summary['verdict']}"
    )


def _saved_steps(summary: Mapping[str, Any], means: Mapping[str, float | None]) -> str:
    """The steps that reuse saved, a request and a second."""
    saved = means["saved_steps"]
    if saved is None:
        return "no steps saved"
    run = summary["run"]
    seconds = run["duration_s"] - (run.get("warmup_s") or 0.0)
    return (
        f"{saved:.2f} steps saved a request, {saved * (means['requests'] or 0) / seconds:.1f} a "
        f"second"
    )


def truncation_line(rows: Iterable[RequestRow]) -> str | None:
    """A word where most prompts are longer than the model reads; None where they are not, or nobody
    knows."""
    known = [row.truncated for row in rows if row.truncated is not None]
    if sum(known) <= len(known) / 2:
        return None
    return (
        f"{sum(known)} of {len(known)} prompts are longer than this model reads: what it cut off "
        f"is in no picture, so that different prompts may look alike (column truncated)"
    )


def _reasons(not_done: Sequence[Mapping[str, Any]]) -> str:
    """A line for each of the first few reasons."""
    return "".join(
        f"{reason['requests']} {reason['result']}: {reason['why']}\n" for reason in not_done[:3]
    )
