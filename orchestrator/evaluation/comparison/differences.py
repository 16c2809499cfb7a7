"""Figures of single requests, and the paired difference of two runs in each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from midstep.wire.messages import HITS
from orchestrator.evaluation.comparison.matching import Matching, Row
from orchestrator.records import steps
from orchestrator.records.statistics import batch_means

__all__ = ["COLUMNS", "FIGURES", "STAGES", "Difference", "means", "paired", "values"]

STAGES = ("uplink", "queue", "edge", "transfer", "device", "overhead")


def _stage(name: str) -> Callable[[Row], float]:
    def milliseconds(row: Row) -> float:
        return 1e3 * _number(row.get(f"{name}_s"))

    return milliseconds


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)


# metric -> its value in one finished request
FIGURES: Mapping[str, Callable[[Row], float]] = {
    "response_per_request_ms": _stage("total"),
    "hit_ratio": lambda row: float(row["reuse"] in HITS),
    "partial_ratio": lambda row: float(row["reuse"] == "resumed"),
    "saved_steps": lambda row: _number(row["saved_steps"]),
    "edge_steps": lambda row: _number(row.get("edge_steps")),
    "cut_step": lambda row: _number(steps.cut_step(row)),
    "fidelity": lambda row: _number(row.get("fidelity")),
    **{f"stage_{name}_ms": _stage(name) for name in STAGES},
}
COLUMNS = (
    "result",
    "reuse",
    "saved_steps",
    "edge_steps",
    "cut_step",
    "fidelity",
    "total_s",
    *(f"{name}_s" for name in STAGES),
)


@dataclass(frozen=True, kw_only=True)
class Difference:
    """The second run's value less the first's, over requests that are the same; the half-width of
    its 95 % interval within the two runs, null where they are too short for one."""

    metric: str
    first: float
    second: float
    mean: float
    half: float | None
    requests: int

    @property
    def clear(self) -> bool | None:
        """Whether it is larger than chance: its interval is without 0. None without an interval."""
        return None if self.half is None else abs(self.mean) > self.half


def values(metric: str, rows: Iterable[Row]) -> np.ndarray:
    """A figure of every row, nan where a row does not have it."""
    return np.array([FIGURES[metric](row) for row in rows], np.float64)


def means(rows: Sequence[Row]) -> dict[str, float | None]:
    """Every figure's mean over the finished requests of a run."""
    done = [row for row in rows if row["result"] == "done"]
    by_name: dict[str, float | None] = {}
    for metric in FIGURES:
        known = values(metric, done)
        known = known[np.isfinite(known)]
        by_name[metric] = float(known.mean()) if known.size else None
    return by_name


def paired(matching: Matching) -> list[Difference]:
    """The paired difference of every figure, over the requests that both runs finished; its
    interval is by batch means of the differences, in the order in which the requests were due."""
    done = matching.done
    differences = []
    for metric in FIGURES:
        first = values(metric, (row for row, _ in done))
        second = values(metric, (row for _, row in done))
        known = np.isfinite(first) & np.isfinite(second)
        if not known.any():
            continue
        gap = second[known] - first[known]
        differences.append(
            Difference(
                metric=metric,
                first=float(first[known].mean()),
                second=float(second[known].mean()),
                mean=float(gap.mean()),
                half=batch_means(gap)["ci95_batch_means"],
                requests=int(known.sum()),
            )
        )
    return differences
