"""experiment.html: what was run and how, what came out, and what it means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.evaluation import pages
from orchestrator.evaluation.experiment import wording
from orchestrator.evaluation.experiment.plan import Plan
from orchestrator.evaluation.experiment.plots import Plot
from orchestrator.evaluation.experiment.points import title
from orchestrator.evaluation.experiment.table import CellResult
from orchestrator.records.metrics import METRICS

__all__ = ["About", "page"]


@dataclass(frozen=True, kw_only=True)
class About:
    """What the page says beside the figures: the plan and its file's text, the command, a command
    for one point (empty where there is none), versions by name, points that failed (title, reason),
    wall seconds in all."""

    plan: Plan
    text: str
    command: str
    point_command: str
    versions: Sequence[Mapping[str, str]]
    failures: Sequence[tuple[str, str]]
    points: int
    wall_s: float


def page(about: About, cells: Sequence[CellResult], plots: Sequence[Plot]) -> str:
    """The page, self-contained."""
    head, lines, bold = wording.main_table(cells)
    grey = [number for number, cell in enumerate(cells) if cell.is_baseline]
    runs = [run for cell in cells for run in cell.runs]
    invalid = [run for run in runs if run.verdict != "VALID"]
    parts = [
        pages.paragraph(_what(about, len(runs))),
    ]
    if cells:
        parts += [pages.paragraph(line) for line in wording.arrivals(cells)]
        parts.append(pages.table(head, lines, bold, grey))
        parts.append(pages.paragraph(f"{wording.interval(cells)} {wording.by_chance(cells)}"))
    if invalid:
        parts.append("<h2>Runs that are not VALID</h2>")
        lines = [[run.point.id, run.verdict] for run in invalid]
        parts.append(pages.table(["point", "verdict"], lines, numbers=False))
    if about.failures:
        parts.append("<h2>Points that failed</h2>")
        lines = [list(one) for one in about.failures]
        parts.append(pages.table(["point", "why"], lines, numbers=False))
        parts.append(pages.paragraph("Their tracebacks are in points/ID/traceback.txt."))
    if cells:
        parts.append(pages.figures((name, svg) for _, name, svg in plots))
        parts += ["<h2>Every metric</h2>", _metrics(cells)]
    parts.append("<h2>How to have it again</h2>")
    parts += [pages.code(f"{about.command}\n{about.point_command}"), pages.code(about.text)]
    for programs in about.versions:
        words = ", ".join(f"{name} {number}" for name, number in programs.items())
        parts.append(pages.paragraph(f"Versions: {words}."))
    if len(about.versions) > 1:
        parts.append(pages.paragraph("The points were not all played by the same versions."))
    return pages.page(f"Experiment {about.plan.name}", parts)


def _what(about: About, runs: int) -> str:
    plan = about.plan
    roads = {
        "virtual": "in virtual time (paced by measured step times; deterministic)",
        "simulate": "simulated by discrete events (deterministic)",
        "live": "live, on the wall clock",
    }
    varied = "; ".join(
        f"{key}: {', '.join(map(str, value)) if isinstance(value, list) else value}"
        for grid in plan.grids
        for key, value in grid.items()
    )
    text = (
        f"Scenario {plan.scenario}, {roads[plan.road]}: {runs} of {about.points} points, "
        f"{about.wall_s:.0f} s of computing. What varies: {varied}."
    )
    if plan.duration_s is not None:
        text += f" Users ask for {plan.duration_s:g} s."
    if plan.changes:
        text += f" Set for all: {', '.join(f'{k}={v}' for k, v in plan.changes.items())}."
    if plan.repeat > 1:
        text += f" Every point was run {plan.repeat} times."
    if plan.baseline:
        text += f" Baseline: {', '.join(f'{k}={v}' for k, v in plan.baseline.items())}."
    return text


def _metrics(cells: Sequence[CellResult]) -> str:
    """A table a metric, folded; the same numbers are in table.csv."""
    metrics = dict.fromkeys(metric for cell in cells for metric in cell.estimates)
    parts = []
    for metric in metrics:
        lines = []
        bold = []
        for number, cell in enumerate(cells):
            one: Any = cell.estimates.get(metric)
            text, clear = wording.difference(cell, metric, 1.0, 4)
            if clear:
                bold.append((number, 2))
            lines.append(
                [
                    title(cell.settings),
                    wording.estimate(one, 1.0, 4),
                    text,
                    wording.requests(cell, metric),
                ]
            )
        known = METRICS.get(metric)
        what = "" if known is None else f" ({known.unit}): {known.meaning}"
        table = pages.table(["setting", "mean", "Δ baseline", "Δ over requests"], lines, bold)
        parts.append(f"<details><summary><code>{metric}</code>{what}</summary>{table}</details>")
    return "".join(parts)
