"""The report's plots of requests: where their time went, and how their response times spread."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from orchestrator.records.canvas import (
    BLUE,
    GREEN,
    GREY,
    RED,
    SAND,
    TEAL,
    VIOLET,
    Plot,
    finish,
    open_axes,
)
from orchestrator.records.steps import cut_step

__all__ = ["FEW", "by_class", "by_cut", "by_reuse", "responses", "stage_means", "stages", "steps"]

Rows = Sequence[dict[str, Any]]
Groups = Mapping[str, Rows]

STAGES = {
    "uplink": GREEN,
    "queue": GREY,
    "edge": RED,
    "transfer": SAND,
    "device": BLUE,
    "overhead": "#444444",
}
REUSE = {
    "computed": RED,
    "exact": BLUE,
    "resumed": TEAL,
    "similar": SAND,
    "shared": GREEN,
    "final": VIOLET,
    "local": GREY,
}
STEPS = {"edge": RED, "saved": GREEN, "device": BLUE}
PALETTE = (BLUE, RED, GREEN, VIOLET, SAND, GREY)
DASHES = ("-", "--", "-.", ":")
FEW = 20  # requests, below which a mean is drawn pale
BAR_IN = 0.5
NAMES_IN = 1.0
LONGEST_NAME = 14  # of what a group is called
NO_TIME_S = 1e-6  # rounding of a stage that took none
MOST_CUTS = 20  # bars, beyond which neighbouring steps share one


def by_reuse(done: Rows) -> dict[str, Rows]:
    """Finished requests by how their output was made."""
    groups = {kind: [row for row in done if row["reuse"] == kind] for kind in REUSE}
    return {kind: rows for kind, rows in groups.items() if rows}


def by_class(done: Rows) -> dict[str, Rows]:
    """Finished requests by their device's class."""
    names = sorted({row["device_class"] for row in done})
    return {name: [row for row in done if row["device_class"] == name] for name in names}


def by_cut(done: Rows) -> dict[str, Rows]:
    """Finished requests by the step at which they were handed over, the first first; of a long
    schedule by ranges of steps."""
    cuts = [(cut, row) for row in done if (cut := cut_step(row)) is not None]
    if not cuts:
        return {}
    first, last = (edge(cut for cut, _ in cuts) for edge in (min, max))
    wide = -(-(last - first + 1) // MOST_CUTS)
    groups: dict[str, Rows] = {}
    for low in range(first, last + 1, wide):
        rows = [row for cut, row in cuts if low <= cut < low + wide]
        name = f"step {low}" if wide == 1 else f"{low} to {low + wide - 1}"
        groups |= {name: rows} if rows else {}
    return groups


def stages(name: str, what: str, groups: Groups) -> Plot:
    """Mean seconds of each stage, a bar a group, with the number of requests behind it."""
    bars = _Bars(
        name=name,
        title=f"Mean time of the stages, by {what}",
        unit="seconds",
        form="{:.2f} s",
        colours=STAGES,
    )
    sends = any(row.get("uplink_s") is not None for rows in groups.values() for row in rows)
    shown = [stage for stage in STAGES if sends or stage != "uplink"]
    return bars.draw(groups, {stage: f"{stage}_s" for stage in shown})


def steps(name: str, what: str, groups: Groups) -> Plot:
    """Mean steps computed at the edge, saved, and left to the device, a bar a group."""
    bars = _Bars(
        name=name,
        title=f"Mean steps of a picture, by {what}",
        unit="steps",
        form="{:.0f}",
        colours=STEPS,
    )
    return bars.draw(groups, {kind: f"{kind}_steps" for kind in STEPS})


@dataclass(frozen=True, kw_only=True)
class _Bars:
    """A plot of stacked means: its name and title, the axis' unit, the form of a bar's sum, and a
    colour for each part."""

    name: str
    title: str
    unit: str
    form: str
    colours: Mapping[str, str]

    def draw(self, groups: Groups, columns: Mapping[str, str]) -> Plot:
        """A bar a group, a part of it for each of the `columns`, with the number of requests."""
        counts = [len(rows) for rows in groups.values()]
        pale = f" (pale: n < {FEW})" if min(counts) < FEW else ""
        figure, axes = open_axes(f"{self.title}{pale}", self.unit, "")
        places = np.arange(len(groups))
        left = np.zeros(len(groups))
        for part, column in columns.items():
            means = np.array([_mean(rows, column) for rows in groups.values()])
            if np.all(means < NO_TIME_S):
                continue
            colour = self.colours[part]
            bars = axes.barh(places, means, left=left, color=colour, label=part)
            for bar, count in zip(bars, counts, strict=True):
                bar.set_alpha(0.45 if count < FEW else 1.0)
            left += means
        for place, total in zip(places, left, strict=True):
            axes.annotate(
                self.form.format(total),
                (total, place),
                (4, 0),
                textcoords="offset points",
                va="center",
                fontsize=8,
            )
        names = [_label(kind, len(rows), "\n") for kind, rows in groups.items()]
        axes.set_yticks(places, names)
        axes.invert_yaxis()
        axes.set_xlim(0, 1.14 * float(left.max()))
        return finish(self.name, figure, axes_in=BAR_IN * len(groups), left_in=NAMES_IN)


def responses(name: str, what: str, groups: Groups) -> Plot:
    """The share of requests that were answered within a time, a line a group."""
    figure, axes = open_axes(
        f"Distribution of response times, by {what}", "response time (s)", "share of requests"
    )
    for number, (kind, rows) in enumerate(groups.items()):
        times = np.sort([row["total_s"] for row in rows])
        axes.step(
            [times[0], *times],
            np.arange(times.size + 1) / times.size,
            where="post",
            color=REUSE.get(kind, PALETTE[number % len(PALETTE)]),
            linestyle=DASHES[number % len(DASHES)],
            label=_label(kind, times.size, ", "),
        )
    axes.set_ylim(0, 1.02)
    return finish(name, figure)


def stage_means(rows: Rows, stages: Iterable[str]) -> list[float]:
    """Mean seconds of each stage over some requests; who has no such stage spent nothing on it."""
    return [_mean(rows, f"{stage}_s") for stage in stages]


def _mean(rows: Rows, column: str) -> float:
    return float(np.mean([row[column] or 0.0 for row in rows]))


def _label(name: str, count: int, between: str) -> str:
    """A group's name and size, as matplotlib takes it for plain text: $ begins no formula, and _
    hides nothing."""
    plain = name[:LONGEST_NAME].replace("$", r"\$")
    return f"{' ' if plain.startswith('_') else ''}{plain}{between}n = {count:,}"
