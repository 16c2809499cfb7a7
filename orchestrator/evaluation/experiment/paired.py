"""Points of one seed that differ in the baseline's keys alone, paired: the difference of a cell
from its baseline, with an interval over seeds (docs/experiments.md)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from orchestrator.evaluation.comparison.differences import Difference, paired
from orchestrator.evaluation.comparison.matching import match
from orchestrator.evaluation.experiment.measured import Measured, rows_of
from orchestrator.evaluation.experiment.points import Cell, cell_of
from orchestrator.records.statistics import over_seeds

__all__ = ["Against", "Cells", "Estimate", "baseline_cell", "by_cell", "compare", "estimate"]

SEEDS = "seeds"
REPEATS = "repetitions"
ONE_RUN = "requests of one run"
BY_REQUEST = "request by request"
BY_RUN = "run by run"
Cells = Mapping[Cell, Sequence[Measured]]


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A mean, the half-width of its 95 % interval (null: there is none), how many independent
    values it is of and over what, and where a point was repeated the standard deviation from run to
    run."""

    mean: float | None
    half: float | None
    n: int
    over: str
    spread: float | None = None

    @property
    def clear(self) -> bool | None:
        """Whether it differs from 0 by more than chance; None without an interval."""
        if self.mean is None or self.half is None:
            return None
        return abs(self.mean) > self.half


@dataclass(frozen=True, kw_only=True)
class Against:
    """A cell less its baseline: each metric's paired difference; the smallest share of requests
    that two paired runs had in common; whether means are paired by request or by run; and a line
    that says what differs where they are not the same."""

    differences: dict[str, Estimate] = field(default_factory=dict)
    share: float | None = None
    pairing: str = BY_RUN
    note: str = ""


def by_cell(runs: Sequence[Measured]) -> dict[Cell, list[Measured]]:
    """The runs by their settings, in the order of the plan."""
    cells: dict[Cell, list[Measured]] = defaultdict(list)
    for run in runs:
        cells[run.point.cell].append(run)
    return dict(cells)


def baseline_cell(
    settings: Mapping[str, Any], baseline: Mapping[str, Any], cells: Cells
) -> Cell | None:
    """The cell that settings are compared with: the one with the baseline's values that agrees in
    every other key; in a list of grids it may lack keys of the baseline's own branch, as the
    parameters of a policy. None where there is none, or no baseline."""
    candidates = [
        members[0].point.settings
        for members in cells.values()
        if _agrees(members[0].point.settings, settings, baseline)
    ]
    if not baseline or not candidates:
        return None
    return cell_of(max(candidates, key=len))


def _agrees(
    candidate: Mapping[str, Any], settings: Mapping[str, Any], baseline: Mapping[str, Any]
) -> bool:
    wanted = {**settings, **baseline}
    if any(candidate[key] != wanted.get(key) for key in candidate):
        return False
    lacking = wanted.keys() - candidate.keys()
    if lacking & baseline.keys():
        return False
    # what it lacks must be of the baseline's own branch, as the parameters of a policy
    branches = [f"{key.rpartition('.')[0]}." for key in baseline if "." in key]
    return all(any(key.startswith(branch) for branch in branches) for key in lacking)


def estimate(values: Mapping[tuple[int, int], float | None]) -> Estimate:
    """Values by (seed, repetition), with their interval: over seeds where there are several, each
    the mean of its repetitions; else over repetitions; else none."""
    of_seed: dict[int, list[float]] = defaultdict(list)
    for (seed, _), value in values.items():
        if value is not None and np.isfinite(value):
            of_seed[seed].append(value)
    repeated = [np.array(one) for one in of_seed.values() if len(one) > 1]
    spread = None
    if repeated:  # within seeds, pooled
        freedom = sum(one.size - 1 for one in repeated)
        spread = float(np.sqrt(sum(one.var(ddof=0) * one.size for one in repeated) / freedom))
    over = SEEDS
    independent = [float(np.mean(one)) for one in of_seed.values()]
    if len(independent) == 1 and repeated:
        over = REPEATS
        independent = repeated[0].tolist()
    result = over_seeds(independent)
    return Estimate(
        mean=result["mean"], half=result["ci95"], n=len(independent), over=over, spread=spread
    )


def compare(cell: Sequence[Measured], baseline: Sequence[Measured]) -> Against:
    """The paired differences of a cell from its baseline, seed by seed and repetition by
    repetition. Where the requests are the same, figures of single requests are paired request by
    request; every other figure is paired run by run. Raises RecordError."""
    others = {(run.point.seed, run.point.repeat): run for run in baseline}
    gaps: dict[str, dict[tuple[int, int], float | None]] = defaultdict(dict)
    within: dict[str, Difference] = {}
    shares = []
    note = ""
    for run in cell:
        key = run.point.seed, run.point.repeat
        other = others.get(key)
        if other is None:
            continue
        for metric, value in run.values.items():
            before = other.values.get(metric)
            known = value is not None and before is not None
            gaps[metric][key] = value - before if known else None  # type: ignore[operator]
        if run.requests is None or other.requests is None:
            continue
        matching = match(rows_of(other), rows_of(run))
        shares.append(matching.share)
        if not matching.same:
            note = matching.line()
            continue
        for difference in paired(matching):
            within[difference.metric] = difference
            gaps[difference.metric][key] = difference.mean
    estimates = {metric: estimate(values) for metric, values in gaps.items()}
    for metric, difference in within.items():
        overall = estimates[metric]
        if overall.n == 1 and overall.half is None:
            estimates[metric] = Estimate(
                mean=difference.mean, half=difference.half, n=difference.requests, over=ONE_RUN
            )
    return Against(
        differences=estimates,
        share=min(shares, default=None),
        pairing=BY_REQUEST if shares and not note else BY_RUN,
        note=note,
    )
