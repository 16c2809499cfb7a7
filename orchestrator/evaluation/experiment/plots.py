"""The experiment's plots as SVG text: bars with intervals, response against load,
distributions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from orchestrator.evaluation.comparison.differences import values
from orchestrator.evaluation.experiment.measured import rows_of
from orchestrator.evaluation.experiment.paired import Estimate
from orchestrator.evaluation.experiment.points import title
from orchestrator.evaluation.experiment.table import CellResult
from orchestrator.records.canvas import svg_of

__all__ = ["Plot", "plots"]

# name of the plot, its title, its SVG
Plot = tuple[str, str, str]
BARS = (
    ("response_per_request_ms", 1e-3, "response, mean (s)"),
    ("p95_s", 1.0, "response, p95 (s)"),
    ("hit_ratio", 100.0, "hit ratio (%)"),
    ("saved_steps", 1.0, "saved steps a request"),
)
LINES = (*BARS[:3], ("stage_queue_ms", 1e-3, "wait for the edge, mean (s)"))
DWARFED = 20.0  # times the median: what is larger leaves nothing of the others to be seen
MOST_CURVES = 12  # in one panel
MOST_PANELS = 6
MOST_STEPS = 300  # of a distribution's curve: more cannot be seen, and the page grows with them
# for the colour-blind (Okabe and Ito 2008)
COLOURS = ("#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#000000", "#8c8c8c")
MARKERS = "os^Dv*xP"


def plots(cells: Sequence[CellResult]) -> list[Plot]:
    """All plots that the cells have something to draw for."""
    drawn = [
        (f"bars-{metric}", f"{label}, 95 % interval", _bars(cells, metric, scale, label))
        for metric, scale, label in BARS
        if _known(cells, metric)
    ]
    if any(_gap(cell) is not None for cell in cells):
        heading = "response less the baseline's, paired (s)"
        drawn.insert(0, ("differences", f"{heading}, 95 % interval", _differences(cells, heading)))
    key = load_key(cells)
    if key is not None:
        drawn += [
            (f"load-{metric}", f"{label} against {key}", _against(cells, key, metric, scale, label))
            for metric, scale, label in LINES
            if _known(cells, metric)
        ]
    if any(run.requests is not None for cell in cells for run in cell.runs):
        drawn += _distributions(cells, key)
    return drawn


def load_key(cells: Sequence[CellResult]) -> str | None:
    """The key that the cells' load grows with: one that has several numbers; of several, the one
    that has most."""
    keys = dict.fromkeys(key for cell in cells for key in cell.settings)
    counts = {}
    for key in keys:
        numbers = {cell.settings.get(key) for cell in cells if _number(cell.settings.get(key))}
        if all(_number(cell.settings.get(key)) for cell in cells) and len(numbers) > 1:
            counts[key] = len(numbers)
    return max(counts, key=lambda key: counts[key]) if counts else None


def _bars(cells: Sequence[CellResult], metric: str, scale: float, label: str) -> str:
    figure, axes = _axes(label, height=0.9 + 0.24 * len(cells))
    names = [title(cell.settings) for cell in cells]
    at = np.arange(len(cells))
    means = np.array([_value(cell, metric)[0] for cell in cells]) * scale
    halves = np.array([_value(cell, metric)[1] for cell in cells]) * scale
    colours = ["#8c8c8c" if cell.is_baseline else COLOURS[0] for cell in cells]
    axes.barh(at, means, color=colours, height=0.7, xerr=halves, ecolor="#222222", capsize=2)
    axes.set_yticks(at, names, fontsize=7)
    axes.invert_yaxis()
    axes.set_xlabel(label)
    return svg_of(figure)


def _differences(cells: Sequence[CellResult], label: str) -> str:
    """Paired differences of the mean response with their intervals; those larger than chance are
    filled. Where one dwarfs the others, the axis is logarithmic away from 0."""
    gaps = {title(cell.settings): _gap(cell) for cell in cells}
    known = {name: gap for name, gap in gaps.items() if gap is not None and gap.mean is not None}
    figure, axes = _axes(label, height=0.9 + 0.24 * len(known))
    sizes = []
    for place, gap in enumerate(known.values()):
        mean = 1e-3 * (gap.mean or 0.0)
        sizes.append(abs(mean))
        axes.errorbar(
            mean,
            place,
            xerr=1e-3 * (gap.half or 0.0),
            fmt="o",
            ms=4,
            capsize=2,
            color=COLOURS[0],
            mfc=COLOURS[0] if gap.clear else "white",
        )
    middle = float(np.median(sizes))
    if middle > 0 and max(sizes) > DWARFED * middle:
        axes.set_xscale("symlog", linthresh=middle)
    axes.axvline(0.0, color="#222222", lw=0.8)
    axes.set_yticks(np.arange(len(known)), list(known), fontsize=7)
    axes.invert_yaxis()
    axes.set_xlabel(label)
    return svg_of(figure)


def _gap(cell: CellResult) -> Estimate | None:
    """A cell's paired difference of the mean response, ms."""
    return None if cell.against is None else cell.against.differences.get(BARS[0][0])


def _against(cells: Sequence[CellResult], key: str, metric: str, scale: float, label: str) -> str:
    """A line for each setting of the other keys."""
    figure, axes = _axes(label)
    for number, (name, members) in enumerate(_series(cells, key).items()):
        points = sorted((cell.settings[key], *_value(cell, metric)) for cell in members)
        x = [point[0] for point in points]
        y = [scale * point[1] for point in points]
        half = [scale * point[2] for point in points]
        axes.errorbar(x, y, half, label=name, capsize=2, lw=1.2, ms=4, **_style(number))
    axes.set_xlabel(key)
    axes.set_ylabel(label)
    axes.set_ylim(bottom=0)
    _legend(axes)
    return svg_of(figure)


def _distributions(cells: Sequence[CellResult], key: str | None) -> list[Plot]:
    """Distribution of response times, all seeds together: a curve a cell, a plot a load."""
    groups: dict[str, list[CellResult]] = {}
    for cell in cells:
        name = "" if key is None else f" at {key} {cell.settings[key]}"
        groups.setdefault(name, []).append(cell)
    drawn = []
    for number, (name, members) in enumerate(list(groups.items())[:MOST_PANELS]):
        figure, axes = _axes("response")
        for place, cell in enumerate(members[:MOST_CURVES]):
            seconds = _responses(cell)
            if not seconds.size:
                continue
            rest = {one: value for one, value in cell.settings.items() if one != key}
            style = _style(place)
            ranks = np.unique(np.linspace(1, seconds.size, MOST_STEPS).astype(int))
            axes.step(
                seconds[ranks - 1],
                ranks / seconds.size,
                where="post",
                lw=1.1,
                color=style["color"],
                linestyle="-" if place < len(COLOURS) else "--",
                label=f"{title(rest)} ({seconds.size})",
            )
        axes.set_xlabel("response time (s)")
        axes.set_ylabel("share of requests")
        axes.set_ylim(0, 1)
        _legend(axes)
        drawn.append((f"responses-{number + 1}", f"response times{name}", svg_of(figure)))
    return drawn


def _series(cells: Sequence[CellResult], key: str) -> Mapping[str, list[CellResult]]:
    series: dict[str, list[CellResult]] = {}
    for cell in cells:
        rest = {one: value for one, value in cell.settings.items() if one != key}
        series.setdefault(title(rest), []).append(cell)
    return series


def _responses(cell: CellResult) -> np.ndarray:
    """Response times of a cell's finished requests, seconds, sorted. Raises RecordError."""
    seconds: list[float] = []
    for run in cell.runs:
        done = [row for row in rows_of(run) if row["result"] == "done"]
        seconds += (values("response_per_request_ms", done) / 1e3).tolist()
    return np.sort(seconds)


def _known(cells: Sequence[CellResult], metric: str) -> bool:
    return any(np.isfinite(_value(cell, metric)[0]) for cell in cells)


def _value(cell: CellResult, metric: str) -> tuple[float, float]:
    """Mean and half-width, nan and 0 where there is none."""
    one = cell.estimates.get(metric)
    if one is None or one.mean is None:
        return float("nan"), 0.0
    return one.mean, one.half or 0.0


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _style(number: int) -> dict[str, Any]:
    return {
        "color": COLOURS[number % len(COLOURS)],
        "marker": MARKERS[number % len(MARKERS)],
        "linestyle": "-" if number < len(COLOURS) else "--",
    }


def _axes(label: str, height: float = 3.2) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(5.8, height), layout="constrained")
    axes = figure.subplots()
    axes.set_title(label, fontsize=9, loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)
    axes.xaxis.label.set_fontsize(8)
    axes.yaxis.label.set_fontsize(8)
    return figure, axes


def _legend(axes: Axes) -> None:
    """Outside: inside it would lie over lines."""
    axes.legend(fontsize=7, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
