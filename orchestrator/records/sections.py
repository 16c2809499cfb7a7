"""The sections of report.html, each as HTML text; whatever comes from a run's folder is escaped."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from midstep.scenario import Scenario
from midstep.telemetry.record import STAGES
from orchestrator.records.canvas import Plot
from orchestrator.records.description import describe
from orchestrator.records.figures import figure_table
from orchestrator.records.markup import number, section, table, time_unit
from orchestrator.records.request_plots import by_class, by_reuse, stage_means

__all__ = [
    "classes",
    "data",
    "edges",
    "events",
    "failures",
    "fidelity",
    "heading",
    "modes",
    "plotted",
    "stages",
    "verdict",
    "what_was_run",
]

Rows = Sequence[dict[str, Any]]
Tree = Mapping[str, Any]

FILES = {
    "requests.parquet": "one row a request",
    "slots.parquet": "one row a slot",
    "requests.jsonl": "one row a request, of a run that broke off",
    "slots.jsonl": "one row a slot, of a run that broke off",
    "summary.json": "every figure of this page",
    "judged.csv": "what each judged picture shows",
    "scenario.yaml": "the scenario, every value resolved, and the versions",
}


def heading(scenario: Scenario) -> str:
    """The scenario and its parts, as plain text."""
    return f"{scenario.name}: {scenario.policy.name}, {scenario.users} users"


def verdict(summary: Tree) -> str:
    """VALID or INVALID, and why."""
    kind = "good" if summary["verdict"] == "VALID" else "bad"
    return f'<p class="verdict {kind}">{html.escape(summary["verdict"])}</p>'


def what_was_run(scenario: Scenario, summary: Tree, slots: Rows) -> str:
    """The scenario in the words of a paper."""
    return section("What was run", table(["", ""], describe(scenario, summary["run"], slots)))


def classes(scenario: Scenario, summary: Tree) -> str:
    """The figures by device class, where there are several."""
    if "classes" not in summary:
        return ""
    counts = Counter[str]()
    for group in scenario.devices:
        counts[group.kind] += group.count
    named = {f"{name} ({counts[name]})": tree for name, tree in summary["classes"].items()}
    return section("By device class", figure_table("class (devices)", named))


def edges(summary: Tree) -> str:
    """The figures by edge, where there are several."""
    if "edges" not in summary:
        return ""
    return section("By edge", figure_table("edge", summary["edges"]))


def stages(done: Rows) -> str:
    """Mean time of each stage, over all finished requests, by kind of reuse, and by device class;
    where requests waited for plans or links, that part of the overhead too."""
    if not done:
        return ""
    classes = by_class(done)
    groups = {"all": done, **by_reuse(done), **(classes if len(classes) > 1 else {})}
    columns = {stage: stage for stage in STAGES}
    if any(row.get("plan_wait_s") for row in done):
        columns["plan_wait"] = "of overhead: for the slot's plan"
    if any(row.get("link_wait_s") for row in done):
        columns["link_wait"] = "of overhead: for the link"
    means = {name: stage_means(rows, columns) for name, rows in groups.items()}
    unit = time_unit(value for values in means.values() for value in values)
    head = ["requests", "n", *(f"{label} ({unit.name})" for label in columns.values())]
    lines = [
        [name, f"{len(rows):,}", *(unit.show(value) for value in means[name])]
        for name, rows in groups.items()
    ]
    return section("Where the time went, means", table(head, lines))


def plotted(title: str, plots: Iterable[Plot], folder: str) -> str:
    """Plots, each with a link to its file in `folder`."""
    shown = "".join(
        f"<figure>{plot.svg}<figcaption>"
        f'<a href="{html.escape(f"{folder}/{plot.name}.svg")}">{html.escape(plot.name)}.svg</a>'
        "</figcaption></figure>"
        for plot in plots
    )
    return section(title, f'<div class="plots">{shown}</div>' if shown else "")


def events(summary: Tree) -> str:
    """The run's events, in order."""
    rows = summary["run"]["events"]
    items = "".join(f"<li>{row['at_s']:.1f} s: {html.escape(row['text'])}</li>" for row in rows)
    return section("What happened", f"<ul>{items}</ul>") if rows else ""


def fidelity(summary: Tree) -> str:
    """The emulator's own error, part by part."""
    lines = [
        [
            part,
            f"{error['count']:,}",
            number(error["late_p50_ms"], "{:.2f}"),
            number(error["late_p99_ms"], "{:.2f}"),
            number(error["bound_ms"], "{:.0f}"),
            number(error["relative_p50"], "{:.2%}"),
            "kept" if error["within_bound"] else "not kept",
        ]
        for part, error in summary["fidelity"].items()
    ]
    head = [
        "part",
        "n",
        "late p50 (ms)",
        "late p99 (ms)",
        "bound (ms)",
        "relative, median",
        "",
    ]
    return section("The testbed's own error", table(head, lines))


def modes(scenario: Scenario, summary: Tree) -> str:
    """The parts that were real, emulated and modelled."""
    mode = scenario.modes
    virtual = mode.clock == "virtual"
    denoising = {
        "real": "real: the pipeline computes on edge and devices",
        "paced": "paced: measured times are waited out, nothing computed",
    }[mode.denoiser]
    time = {
        "wall": "the machine's clock" + (f" x {mode.time_scale:g}" if mode.time_scale != 1 else ""),
        "virtual": "virtual: it jumps to the next event, so that no machine is too slow for it",
    }[mode.clock]
    run = summary["run"]
    step_ms = None if run["step_s"] is None else 1e3 * run["step_s"]
    lines = [
        ["denoising", denoising],
        ["time", time],
        ["wire", f"{mode.wire}; radio link emulated by (6)"],
        ["devices", "computed by their hosts, held to each device's own pace (emulated)"],
        ["energy", "modelled: the scenario's watts times the device's time, and what a bit takes"],
        ["edge step", number(step_ms, "{:.1f} ms a request alone")],
        *([f"pace of {edge}", _pace(pace)] for edge, pace in run.get("pace", {}).items()),
    ]
    kinds = {event.kind for event in scenario.timeline}
    if "slow_edge" in kinds:
        lines.append(["slow edge", "emulated: it computes as ever, and waits the rest of a tick"])
    if "restart_edge" in kinds:
        restart = "real: a process ends, and another takes its place"
        if mode.wire == "inprocess":
            restart = "modelled: an edge opens anew in this process when its time is over"
        lines.append(["restart of an edge", restart])
    if not virtual:  # which keeps every machine busy
        lines.append(["this machine", number(run["cpu_share"], "{:.0%} busy while users asked")])
    return section("What was real, emulated and modelled", table(["", ""], lines))


def failures(rows: Iterable[dict[str, Any]]) -> str:
    """How many requests were not finished, by result and reason."""
    counts = Counter((row["result"], row["error"] or "") for row in rows if row["result"] != "done")
    if not counts:
        return ""
    lines = [[*key, f"{count:,}"] for key, count in sorted(counts.items())]
    return section("Not finished", table(["result", "why", "n"], lines))


def data(folder: Path) -> str:
    """Links to what the page was made of."""
    items = "".join(
        f'<li><a href="{name}">{name}</a>: {what}</li>'
        for name, what in FILES.items()
        if (folder / name).is_file()
    )
    return section("Data", f"<ul>{items}</ul>")


def _pace(pace: Mapping[str, Any]) -> str:
    """A machine's step beside its profile's, and how long ticks were held."""
    step_ms = f"{pace['step_s'] * 1e3:.1f} ms a step"
    if pace["measured_step_s"] is None:
        return f"{step_ms} by the profile {pace['profile']}; nothing is computed in that time"
    measured = f"{pace['measured_step_s'] * 1e3:.1f} ms measured before the run"
    if pace["measured_spread"] is not None:
        measured += f" (spread {pace['measured_spread']:.0%})"
    if pace["profile"] is None:
        return f"{measured}; without a profile the devices' speed follows it"
    text = f"{step_ms} by the profile {pace['profile']}; {measured}"
    if pace["run_step_s"] is None:
        return text
    return (
        f"{text}, {pace['run_step_s'] * 1e3:.1f} ms in the run's {pace['ticks']} ticks, which were "
        f"held {pace['held_s']:.1f} s in all"
    )
