"""What a curve says: tables in Markdown, rows for a CSV, and a drawing."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from orchestrator.evaluation.reuse_curve.equal_loss import frontier, saved_at
from orchestrator.evaluation.reuse_curve.points import EXACT, ORACLE
from orchestrator.evaluation.reuse_curve.scores import Score

__all__ = ["csv_of", "drawing", "page", "rows"]

OURS = "calibrated"
RIVAL = "any"
PANELS: dict[str, Callable[[Score], float | None]] = {
    "mean of 1 - SSIM, expected": lambda one: one.expected_ssim,
    "mean of 1 - SSIM, drawn": lambda one: one.ssim_loss,
    "root mean squared error, drawn": lambda one: None if one.mse is None else math.sqrt(one.mse),
    "right pictures lost, expected": lambda one: one.expected_fidelity,
}
LOSSES: dict[str, Callable[[Score], float | None]] = {
    "loss: mean of 1 - SSIM over all requests, as the model's table expects it": lambda one: (
        one.expected_ssim
    ),
    "loss: mean of 1 - SSIM over the requests whose pictures were drawn": lambda one: one.ssim_loss,
    "loss: right pictures that are lost, as the model's table expects it": lambda one: (
        one.expected_fidelity
    ),
}
STYLE: dict[str, dict[str, Any]] = {
    OURS: {"color": "#d55e00", "marker": "o", "lw": 2.2},
    RIVAL: {"color": "#0072b2", "marker": "s"},
    EXACT: {"color": "#999999", "marker": "x"},
    "nirvana": {"color": "#009e73", "marker": "^"},
    "ramp": {"color": "#cc79a7", "marker": "v"},
    "fixed": {"color": "#e69f00", "marker": "D"},
    "staircase": {"color": "#56b4e9", "marker": "P"},
    ORACLE: {"color": "#000000", "marker": "*", "ls": ":"},
}  # fmt: skip


def page(scores: Sequence[Score], title: str) -> str:
    """The page: a table of all points a capacity, and rules at equal loss."""
    lines = [title, ""]
    for capacity in dict.fromkeys(one.capacity for one in scores):
        of = [one for one in scores if one.capacity == capacity]
        lines += [f"{capacity} outputs:", "", *_table(of), ""]
        for words, loss in LOSSES.items():
            equal = [*_equal(of, loss)]
            if equal:
                lines += [
                    f"Saved steps of the edge a request at equal loss, {capacity} outputs "
                    f"({words}; at the points of {OURS}):",
                    "",
                    *equal,
                    "",
                ]
    return "\n".join(lines)


def rows(scores: Sequence[Score]) -> Iterator[dict[str, Any]]:
    """A row a capacity and point."""
    for one in scores:
        quality = one.point.quality
        yield {
            "capacity": one.capacity,
            "rule": one.point.rule,
            "params": one.point.parameters,
            "metric": quality.metric,
            "floor": quality.floor,
            "share": quality.share,
            "steps_kept": one.layout,
            "saved_steps": round(one.saved, 4),
            "saved_steps_ci95": _rounded(one.saved_ci),
            "exact": round(one.exact, 4),
            "similar": round(one.similar, 4),
            "expected_ssim_loss": _rounded(one.expected_ssim, 5),
            "expected_ssim_loss_ci95": _rounded(one.expected_ssim_ci, 5),
            "expected_fidelity_loss": _rounded(one.expected_fidelity, 5),
            "pictures": one.pictures,
            "reused": one.reused,
            "ssim_loss": _rounded(one.ssim_loss, 5),
            "ssim_loss_ci95": _rounded(one.ssim_loss_ci, 5),
            "psnr_db": _rounded(one.psnr_db, 2),
            "fidelity_loss": _rounded(one.fidelity_loss, 5),
            "fidelity_loss_ci95": _rounded(one.fidelity_loss_ci, 5),
            "below_floor": _rounded(one.below, 4),
            "alike": _rounded(one.alike, 4),
            "alike_without": _rounded(one.alike_without, 4),
        }


def csv_of(scores: Sequence[Score]) -> str:
    """`rows` as a CSV."""
    text = io.StringIO()
    lines = [*rows(scores)]
    writer = csv.DictWriter(text, [*lines[0]], lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue()


def drawing(scores: Sequence[Score]) -> str:
    """Saved steps over each loss that is known, a row a capacity, as SVG."""
    from matplotlib.figure import Figure

    from orchestrator.records.canvas import svg_of

    panels = {
        label: loss_of
        for label, loss_of in PANELS.items()
        if any(loss_of(one) is not None for one in scores)
    }
    capacities = [*dict.fromkeys(one.capacity for one in scores)]
    width = 3.2 * len(panels) + 0.4
    figure = Figure(figsize=(width, 3.0 * len(capacities) + 0.4), layout="constrained")
    grid = figure.subplots(len(capacities), len(panels), squeeze=False, sharex="col", sharey="row")
    for row, capacity in zip(grid, capacities, strict=True):
        row[0].set_ylabel(f"{capacity} outputs: saved steps")
        for axes, loss_of in zip(row, panels.values(), strict=True):
            for rule in dict.fromkeys(one.point.rule for one in scores):
                of = [one for one in scores if (one.capacity, one.point.rule) == (capacity, rule)]
                pairs = [(lost, one.saved) for one in of if (lost := loss_of(one)) is not None]
                _curve(axes, rule, pairs)
            axes.spines[["top", "right"]].set_visible(False)
            axes.grid(color="#e6e6e6", lw=0.6)
    for axes, label in zip(grid[-1], panels, strict=True):
        axes.set_xlabel(label)
    grid[0][0].legend(fontsize=7, frameon=False)
    return svg_of(figure)


def _curve(axes: Any, rule: str, pairs: Sequence[tuple[float, float]]) -> None:
    """A rule's points, and the frontier through the best of them."""
    if not pairs:
        return
    style = dict(STYLE.get(rule, {"color": "#555555", "marker": "."}))
    width = style.pop("lw", 1.0)
    dashes = style.pop("ls", "-")
    axes.plot(*zip(*pairs, strict=True), ls="", ms=4, label=rule, **style)
    best = frontier(pairs)
    axes.plot(*zip(*best, strict=True), ls=dashes, lw=width, color=style["color"])


def _table(scores: Sequence[Score]) -> Iterator[str]:
    """A row a point."""
    yield (
        "| rule | users ask for | kept steps | saved steps | exact | similar | 1 - SSIM, expected "
        "| right pictures lost, expected | 1 - SSIM, drawn | PSNR, dB | right pictures lost, drawn "
        "| reused below the floor | alike (without) | pictures |"
    )
    yield "|---" * 14 + "|"
    for one in scores:
        cells = [
            one.point.name,
            one.point.wish,
            one.layout,
            _with(one.saved, one.saved_ci, 2),
            f"{one.exact:.0%}",
            f"{one.similar:.0%}",
            _with(one.expected_ssim, one.expected_ssim_ci, 4),
            _with(one.expected_fidelity, None, 2, percent=True),
            _with(one.ssim_loss, one.ssim_loss_ci, 4),
            "" if one.psnr_db is None else f"{one.psnr_db:.1f}",
            _with(one.fidelity_loss, one.fidelity_loss_ci, 2, percent=True),
            "" if one.below is None else f"{one.below:.1%} of {one.reused}",
            "" if one.alike is None else f"{one.alike:.3f} ({one.alike_without:.3f})",
            str(one.pictures),
        ]
        yield f"| {' | '.join(cells)} |"


def _equal(scores: Sequence[Score], loss_of: Callable[[Score], float | None]) -> Iterator[str]:
    """A row a point of ours: what every rule saves at its loss."""
    by_rule: dict[str, list[tuple[float, float]]] = {}
    for one in scores:
        lost = loss_of(one)
        if lost is not None:
            by_rule.setdefault(one.point.rule, []).append((lost, one.saved))
    ours = by_rule.get(OURS)
    field = [rule for rule in by_rule if rule not in (OURS, RIVAL, EXACT, ORACLE)]
    if not ours:
        return
    others = [rule for rule in by_rule if rule != OURS]
    ends = [*([f"{OURS} : {RIVAL}"] if RIVAL in by_rule else [])]
    ends += [f"{OURS} : best of {', '.join(field)}"] if field else []
    yield f"| loss | {OURS} | {' | '.join([*others, *ends])} |"
    yield "|---" * (2 + len(others) + len(ends)) + "|"
    for loss, _ in frontier(ours)[1:]:
        mine = saved_at(ours, loss)
        theirs = {rule: saved_at(by_rule[rule], loss) for rule in others}
        cells = [f"{loss:.4f}", f"{mine:.2f}", *(f"{theirs[rule]:.2f}" for rule in others)]
        if RIVAL in by_rule:
            cells.append(_ratio(mine, theirs[RIVAL]))
        if field:
            cells.append(_ratio(mine, max(theirs[rule] for rule in field)))
        yield f"| {' | '.join(cells)} |"


def _ratio(one: float, other: float) -> str:
    return f"{one / other:.2f}" if other else ""


def _with(value: float | None, half: float | None, digits: int, percent: bool = False) -> str:
    """A mean and its interval."""
    if value is None:
        return ""
    scale = 100 if percent else 1
    unit = " %" if percent else ""
    interval = "" if half is None else f" ± {scale * half:.{digits}f}"
    return f"{scale * value:.{digits}f}{interval}{unit}"


def _rounded(value: float | None, digits: int = 4) -> float | str:
    return "" if value is None else round(value, digits)
