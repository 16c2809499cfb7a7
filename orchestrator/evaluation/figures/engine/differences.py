"""The engine's numbers beside the simulator's, of the same seeds and slots."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from midstep.whole_file import replacing
from orchestrator.evaluation.figures.engine.accounts import COMPARED
from orchestrator.evaluation.figures.values import Values
from orchestrator.evaluation.figures.verdicts import middle

__all__ = ["PANELS", "Difference", "differences", "largest", "percent", "write"]

PANELS = ("response_by_slot_ms", "hit_ratio", "saved_vs_ncldc_ms", "latency_avg_ms")


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A metric at a point: means and half-widths of 95 % intervals over seeds, of both; `percent`
    is the engine's mean above the simulator's, paired seed by seed, with its own half-width; nan
    where the simulator has 0 and the engine does not, or either has none."""

    figure: str
    x: float
    policy: str
    metric: str
    simulated: tuple[float, float]
    engine: tuple[float, float]
    percent: tuple[float, float]


def differences(simulated: Values, engine: Values) -> list[Difference]:
    """Every metric that both have, at every point."""
    rows = []
    for x in engine.x:
        for policy in engine.policies():
            for metric in COMPARED:
                theirs = simulated.at(x, policy, metric)
                ours = engine.at(x, policy, metric)
                rows.append(
                    Difference(
                        figure=engine.figure,
                        x=x,
                        policy=policy,
                        metric=metric,
                        simulated=middle(theirs),
                        engine=middle(ours),
                        percent=percent(theirs, ours),
                    )
                )
    return rows


def largest(rows: Iterable[Difference], metric: str) -> Difference | None:
    """The row of a metric that is furthest from the simulator; None where there is none."""
    known = [row for row in rows if row.metric == metric and np.isfinite(row.percent[0])]
    return max(known, key=lambda row: abs(row.percent[0]), default=None)


def write(path: Path, rows: Sequence[Difference]) -> None:
    """A table for people and programs. Raises OSError."""
    with replacing(path) as fresh, fresh.open("w", newline="") as file:
        table = csv.writer(file)
        head = ["point", "policy", "metric", "simulated", "ci95", "engine", "ci95"]
        table.writerow([*head, "engine above simulated, %", "ci95"])
        for row in rows:
            cells = (*row.simulated, *row.engine, *row.percent)
            texts = [f"{cell:.6g}" if np.isfinite(cell) else "" for cell in cells]
            table.writerow([f"{row.x:g}", row.policy, row.metric, *texts])


def percent(theirs: np.ndarray, ours: np.ndarray) -> tuple[float, float]:
    """The difference of paired seeds, percent of the simulator's mean, and its half-width."""
    both = np.isfinite(theirs) & np.isfinite(ours)
    if not both.any():
        return np.nan, np.nan
    mean, half = middle((ours - theirs)[both])
    base = abs(float(theirs[both].mean()))
    if base:
        return 100 * mean / base, 100 * half / base
    return (0.0, 0.0) if not np.abs(ours[both]).any() else (np.nan, np.nan)
