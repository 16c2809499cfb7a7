"""What a table of reuse says, in lines of Markdown: the limits, the P_max that would give the same
limits, and quality by step."""

from __future__ import annotations

from collections.abc import Iterator

from midstep.reuse.limits import KINDS, class_limit
from midstep.reuse.table import FLOORS, Curve, ReuseTable
from midstep.scenario import Reuse
from orchestrator.doctor.calibrate_reuse.drawing import AGAINST_LAST, STEP_BY_STEP
from orchestrator.doctor.calibrate_reuse.likeness_findings import likeness_findings
from orchestrator.doctor.calibrate_reuse.markdown import TITLES, by_step, row, rule

__all__ = ["findings", "p_max", "rows"]

SHARES = (0.9, 0.95, 0.97, 0.98, 0.99)


def findings(table: ReuseTable, reuse: Reuse) -> list[str]:
    """The lines that the command prints. Limits are those of `reuse`, and beside them those of the
    usual floors of the other metrics."""
    metric = reuse.metric or table.metrics[0]
    floors = {metric: FLOORS[metric] if reuse.floor is None else reuse.floor}
    floors |= {other: FLOORS[other] for other in table.metrics if other != metric}
    head = [
        f"{table.model}, {table.steps} steps of {table.scheduler}, guidance {table.guidance:g}, "
        f"{table.height} x {table.width} pixels, {table.dtype}, revision {table.revision[:12]}.",
        "",
    ]
    own = _own(table)
    lines: list[str] = []
    if own:
        lines = [
            f"Reuse limits, with a share of {reuse.share:g} by the low end of the 95 % interval:",
            "",
            *_limits(table, floors, reuse.share),
            "",
            f"By {metric} {floors[metric]:g}, with other shares:",
            "",
            *_by_share(table, metric, floors[metric]),
            "",
            *_all_p_max(table, metric, floors[metric], reuse.share),
        ]
        for one in (m for m in table.metrics if any(table.pairs(kind, m) for kind in own)):
            lines += [f"{TITLES[one]}:", "", *by_step(table, one, own), ""]
    return [*head, *lines, *likeness_findings(table)][:-1]


def p_max(curve: Curve, limit: int) -> tuple[float, float] | None:
    """The bounds, low and high, between which P_max of section 3.2 gives `limit` on the mean curve:
    PSNR is below it at this step and at none after it. None where no P_max does."""
    at = limit - curve.first
    if not 0 <= at < len(curve.mean):
        return None
    low = curve.mean[at]
    high = min(curve.mean[at + 1 :], default=float("inf"))
    return (low, high) if low < high else None


def rows(table: ReuseTable) -> Iterator[dict[str, str | int | float]]:
    """The table as rows of a CSV: a class, step and metric each, with the bounds of the share that
    reaches the usual floor."""
    for cell in table.cells:
        floor = table.floors.get(cell.metric, FLOORS[cell.metric])
        low, high = cell.bounds(floor)
        yield {
            "class": cell.kind,
            "step": cell.step,
            "metric": cell.metric,
            "count": cell.count,
            "mean": round(cell.mean, 4),
            "p01": round(cell.p01, 4),
            "p05": round(cell.p05, 4),
            "p50": round(cell.p50, 4),
            "floor": floor,
            "at_least": cell.at_least(floor),
            "low": round(low, 5),
            "high": round(high, 5),
        }


def _own(table: ReuseTable) -> list[str]:
    """Classes of requests by what their prompt adds to its own edge prompt."""
    return [kind for kind in table.kinds if kind in KINDS]


def _limits(table: ReuseTable, floors: dict[str, float], share: float) -> Iterator[str]:
    """A row a class, a column a floor."""
    yield row(["class", *(f"{metric} {floor:g}" for metric, floor in floors.items())])
    yield rule(1 + len(floors))
    for kind in _own(table):
        limits = [class_limit(table, kind, quality, share) for quality in floors.items()]
        yield row([kind, *map(_limit, limits)])


def _limit(limit: int | None) -> str:
    return "too few pictures" if limit is None else str(limit)


def _by_share(table: ReuseTable, metric: str, floor: float) -> Iterator[str]:
    """A row a class, a column a share."""
    yield row(["class", *(f"{share:g}" for share in SHARES)])
    yield rule(1 + len(SHARES))
    for kind in _own(table):
        limits = [class_limit(table, kind, (metric, floor), share) for share in SHARES]
        yield row([kind, *map(_limit, limits)])


def _all_p_max(table: ReuseTable, metric: str, floor: float, share: float) -> Iterator[str]:
    """The P_max of each class, on the two curves of (1), (2)."""
    curves = [name for name in (STEP_BY_STEP, AGAINST_LAST) if name in table.curves]
    if not curves:
        return
    yield f"P_max of section 3.2, dB, that gives the same limits as {metric}, on the curves below:"
    yield ""
    yield row(["class", *curves])
    yield rule(1 + len(curves))
    for kind in _own(table):
        limit = class_limit(table, kind, (metric, floor), share)
        if limit is None:
            continue
        bounds = [p_max(table.curves[name], limit) for name in curves]
        yield row([kind, *("none" if b is None else f"{b[0]:.1f} to {b[1]:.1f}" for b in bounds)])
    yield ""
    prompts = table.curves[curves[0]].count
    yield f"Mean PSNR of (1), (2) after each step, {prompts} core prompts, dB:"
    yield ""
    yield row(["step", *curves])
    yield rule(1 + len(curves))
    for step in range(1, table.steps + 1):
        yield row([str(step), *(_at(table.curves[name], step) for name in curves)])
    yield ""


def _at(curve: Curve, step: int) -> str:
    at = step - curve.first
    return f"{curve.mean[at]:.1f}" if 0 <= at < len(curve.mean) else ""
