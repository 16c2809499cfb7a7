"""Pages in Markdown: the paper's claims, the simulator's numbers and the engine's beside each
other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from orchestrator.evaluation.figures import claims
from orchestrator.evaluation.figures.engine.differences import PANELS, Difference, largest, percent
from orchestrator.evaluation.figures.engine.playing import Played
from orchestrator.evaluation.figures.values import Values
from orchestrator.evaluation.figures.verdicts import middle

__all__ = [
    "below_table",
    "claims_table",
    "difference_table",
    "note_lines",
    "points_table",
    "roads_table",
]

EQUAL = 1e-6  # percent: what is left of rounding
NAMES = {
    "response_by_slot_ms": "response",
    "hit_ratio": "hit ratio",
    "saved_vs_ncldc_ms": "time saved",
    "latency_avg_ms": "L_avg",
}


def claims_table(simulated: Mapping[str, Values], engine: Mapping[str, Values]) -> list[str]:
    """Three columns: what the paper claims, the simulator, the engine, with the verdicts of both
    by the same criteria."""
    theirs = claims.all_claims(simulated)
    ours = claims.all_claims(engine)
    lines = [
        "| Fig. | the paper claims | paper | simulator | engine | simulator says | engine says |",
        "|---|---|---|---|---|---|---|",
    ]
    for one, other in zip(theirs, ours, strict=True):
        cells = (
            one.figure.removeprefix("fig"),
            one.claim,
            one.paper,
            one.finding.ours,
            other.finding.ours,
            one.finding.verdict,
            other.finding.verdict,
        )
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def difference_table(by_figure: Mapping[str, Sequence[Difference]]) -> list[str]:
    """For each figure and panel the point at which the engine is furthest from the simulator."""
    heads = [NAMES[metric] for metric in PANELS]
    lines = [
        f"| Fig. | {' | '.join(heads)} |",
        f"|---|{'---|' * len(heads)}",
    ]
    for figure, rows in by_figure.items():
        cells = [_furthest(figure, largest(rows, metric)) for metric in PANELS]
        lines.append(f"| {figure.removeprefix('fig')} | {' | '.join(cells)} |")
    return lines


def roads_table(roads: Mapping[str, Values], heads: Mapping[str, tuple[str, float]]) -> list[str]:
    """Each point and policy: `heads` (metric -> what it is called, and by what it is multiplied), a
    column for every road, and how far the last is above the one before it, paired by seed."""
    names = list(roads)
    before, last = names[-2:]
    lines = [
        f"| users | policy | | {' | '.join(names)} | {last} above {before} |",
        f"|---|---|---|{'---|' * (len(names) + 1)}",
    ]
    for x in roads[last].x:
        for policy in roads[last].policies():
            for metric, (head, scale) in heads.items():
                values = {name: of_road.at(x, policy, metric) for name, of_road in roads.items()}
                cells = [_mean(scale * of_road) for of_road in values.values()]
                apart = _apart(values[before], values[last])
                lines.append(f"| {x:g} | {policy} | {head} | {' | '.join(cells)} | {apart} |")
    return lines


def points_table(values: Values, heads: Mapping[str, tuple[str, float]]) -> list[str]:
    """A row for each metric of `heads` (metric -> what it is called, and by what it is multiplied)
    and a column for each policy, with intervals; of a figure that has one point."""
    policies = values.policies()
    lines = [f"| | {' | '.join(policies)} |", f"|---|{'---|' * len(policies)}"]
    for metric, (head, scale) in heads.items():
        cells = [_interval(scale * values.sweep(policy, metric)[0]) for policy in policies]
        lines.append(f"| {head} | {' | '.join(cells)} |")
    return lines


def below_table(roads: Mapping[str, Values], x: float) -> list[str]:
    """How far each policy's response is below that of `ncldc` at a point, percent, on each road."""
    lines = [f"| policy | {' | '.join(roads)} |", f"|---|{'---|' * len(roads)}"]
    policies = [name for name in next(iter(roads.values())).policies() if name != "ncldc"]
    for policy in policies:
        cells = [_below(of_road, x, policy) for of_road in roads.values()]
        lines.append(f"| {policy} | {' | '.join(cells)} |")
    return lines


def note_lines(played: Played) -> list[str]:
    """What did not come to its end, a line each; none where all is well."""
    lines = [f"* {name} failed: {reason}" for name, reason in played.failures.items()]
    lines += [f"* {name} is not VALID: {verdict}" for name, verdict in played.invalid.items()]
    if played.lost:
        lines.append(
            f"* {played.lost} requests after the warm-up were not finished; they are in no figure"
        )
    return lines


def _furthest(figure: str, row: Difference | None) -> str:
    if row is None:
        return "-"
    mean, half = row.percent
    if abs(mean) < EQUAL:
        return "equal"
    interval = f" ± {half:.2g}" if np.isfinite(half) else ""
    where = {"fig8": "{:g} users", "fig9": "S* {:g}", "fig10": "{:g} G"}.get(figure, "{:g}")
    return f"{mean:+.2g}{interval} % ({row.policy}, {where.format(row.x)})"


def _below(values: Values, x: float, policy: str) -> str:
    response = (values.at(x, name, "response_by_slot_ms") for name in (policy, "ncldc"))
    mine, local = response
    mean, half = middle(100 * (1 - mine / local))
    if np.isnan(mean):
        return "-"
    return f"{mean:.2f} ± {half:.2g} %" if np.isfinite(half) else f"{mean:.2f} %"


def _interval(values: np.ndarray) -> str:
    mean, half = middle(values)
    if np.isnan(mean):
        return "-"
    return f"{mean:.4g} ± {half:.2g}" if np.isfinite(half) else f"{mean:.4g}"


def _mean(values: np.ndarray) -> str:
    known = values[np.isfinite(values)]
    if not known.size:
        return "-"
    return f"{known.mean():.4g}"


def _apart(before: np.ndarray, last: np.ndarray) -> str:
    mean, half = percent(before, last)
    if np.isnan(mean):
        return "-"
    return f"{mean:+.2g} ± {half:.2g} %" if np.isfinite(half) else f"{mean:+.2g} %"
