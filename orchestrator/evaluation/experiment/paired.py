"""Points of one seed that differ in the baseline's keys alone, paired: the difference of a cell
from its baseline, with an interval over seeds (docs/experiments.md)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from orchestrator.evaluation.comparison.differences import FIGURES, Difference, paired
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
    """A cell less its baseline: each metric's paired difference, and the baseline's mean over what
    is paired alone (`before`); of metrics that are paired by request over how many requests that is
    and of how many (`requests`: those that both runs finished, of the larger run's, all seeds
    together); the smallest share of requests that two paired runs had in common; whether means are
    paired by request or by run; and a line that says what differs where requests are not the
    same."""

    differences: dict[str, Estimate] = field(default_factory=dict)
    before: dict[str, float | None] = field(default_factory=dict)
    requests: dict[str, tuple[int, int]] = field(default_factory=dict)
    share: float | None = None
    pairing: str = BY_RUN
    note: str = ""

    def pairing_of(self, metric: str) -> str:
        """How a metric is paired: percentiles, Q and counts are of whole runs."""
        return self.pairing if metric in FIGURES else BY_RUN

    def relative(self, metric: str) -> float | None:
        """The difference as a share of the baseline's mean, both over what is paired alone; None
        without one, or where that mean is 0."""
        gap = self.differences.get(metric)
        before = self.before.get(metric)
        return gap.mean / before if gap is not None and gap.mean is not None and before else None


@dataclass(frozen=True, kw_only=True)
class _Pair:
    """A run and its baseline's at the same seed and repetition. `share` is None where their road
    leaves no rows; `differences` are there where their requests are the same, else `note` says why
    not; `most` is how many requests the larger run had."""

    before: Measured
    after: Measured
    share: float | None = None
    differences: Sequence[Difference] | None = None
    note: str = ""
    most: int = 0

    @property
    def key(self) -> tuple[int, int]:
        """Seed and repetition."""
        return self.after.point.seed, self.after.point.repeat


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
    repetition. Where the requests of every pair are the same, figures of single requests are paired
    request by request; where those of one are not, all are paired run by run, so that a mean is of
    one kind of difference. Every other figure is paired run by run. Raises RecordError."""
    others = {(run.point.seed, run.point.repeat): run for run in baseline}
    pairs = [
        _pair(others[run.point.seed, run.point.repeat], run)
        for run in cell
        if (run.point.seed, run.point.repeat) in others
    ]
    by_request = bool(pairs) and all(pair.differences is not None for pair in pairs)
    gaps: dict[str, dict[tuple[int, int], float | None]] = defaultdict(dict)
    before: dict[str, dict[tuple[int, int], float | None]] = defaultdict(dict)
    requests: dict[str, tuple[int, int]] = {}
    within: dict[str, Difference] = {}
    for pair in pairs:
        for metric, value in pair.after.values.items():
            first = pair.before.values.get(metric)
            if by_request and metric in FIGURES:
                continue
            if value is None or first is None or not np.isfinite(value - first):
                continue
            gaps[metric][pair.key] = value - first
            before[metric][pair.key] = first
        for difference in (pair.differences or ()) if by_request else ():
            metric = difference.metric
            gaps[metric][pair.key] = difference.mean
            before[metric][pair.key] = difference.first
            count, most = requests.get(metric, (0, 0))
            requests[metric] = count + difference.requests, most + pair.most
            within[metric] = difference
    estimates = {metric: estimate(values) for metric, values in gaps.items()}
    for metric, difference in within.items():
        overall = estimates[metric]
        if overall.n == 1 and overall.half is None:
            estimates[metric] = Estimate(
                mean=difference.mean, half=difference.half, n=difference.requests, over=ONE_RUN
            )
    return Against(
        differences=estimates,
        before={metric: estimate(values).mean for metric, values in before.items()},
        requests=requests,
        share=min((pair.share for pair in pairs if pair.share is not None), default=None),
        pairing=BY_REQUEST if by_request else BY_RUN,
        note=next((pair.note for pair in pairs if pair.note), ""),
    )


def _pair(before: Measured, after: Measured) -> _Pair:
    """Two runs of one seed, request by request where both have rows. Raises RecordError."""
    if before.requests is None or after.requests is None:
        return _Pair(before=before, after=after)
    matching = match(rows_of(before), rows_of(after))
    return _Pair(
        before=before,
        after=after,
        share=matching.share,
        differences=paired(matching) if matching.same else None,
        note="" if matching.same else f"seed {after.point.seed}: {matching.line()}",
        most=max(matching.first, matching.second),
    )
