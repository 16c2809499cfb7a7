"""Lines that a run prints in its terminal: its start, its parts, and how it ended."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from midstep.scenario import Scenario
from orchestrator.live.cell import Cell
from orchestrator.records.machine_pace import in_words, too_slow
from orchestrator.records.metrics import tail

__all__ = ["announce_cell", "headline", "start_line"]


def start_line(scenario: Scenario) -> str:
    """The line before a run: its scenario, and which parts are real."""
    model = scenario.model
    modes = scenario.modes
    return (
        f"midstep: {scenario.name}, model {model.path}, steps {model.steps} cut at "
        f"{model.split_step}, "
        f"policy {scenario.policy.name}, {scenario.duration_s:g} s "
        f"({modes.denoiser}, {modes.clock}, {modes.wire})"
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


def headline(summary: Mapping[str, Any], policy: str) -> str:
    """A run in three lines."""
    metrics = summary["policies"][policy]
    means = {name: value["mean"] for name, value in metrics.items()}
    label, seconds = tail(metrics)
    slowest = f"{label} {'-' if seconds is None else f'{seconds:.2f}'} s"

    def show(name: str, form: str) -> str:
        return "-" if means[name] is None else form.format(means[name])

    return (
        f"{show('requests', '{:.0f}')} pictures, {show('rejected', '{:.0f}')} rejected, "
        f"{show('failed', '{:.0f}')} failed; "
        f"hit ratio {show('hit_ratio', '{:.1%}')}\n"
        f"response p50 {show('p50_s', '{:.2f}')} s, {slowest}; "
        f"edge time saved {show('edge_saved_ms', '{:.0f}')} ms a request; "
        f"PSNR against no reuse {show('psnr_db', '{:.1f}')} dB\n"
        f"{summary['verdict']}"
    )
