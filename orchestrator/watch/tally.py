"""Statistics of many requests in bounded memory: sums, counts and quantiles without the requests
themselves."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from typing import Any

from midstep.telemetry.record import STAGES
from orchestrator.records.steps import cut_step

__all__ = ["Row", "Sample", "Tally"]

Row = dict[str, Any]  # of requests.parquet or slots.parquet

_GROWTH = math.log(1.02)  # between neighbouring buckets: a quantile is within 1 % of the true one
_SMALLEST_S = 1e-6


class Tally:
    """Sums and stage times of finished requests; tallies can be added up.

    Stage times are counted in buckets that grow by a factor, as in DDSketch (Masson, Rim and Lee,
    VLDB 2019).
    """

    def __init__(self) -> None:
        self.done = 0
        self.frame_bytes = 0
        self.cut_steps = 0  # summed over requests, as are saved_steps
        self.saved_steps = 0
        self.reuse: Counter[str] = Counter()
        self._seconds = dict.fromkeys(STAGES, 0.0)
        self._buckets: dict[str, Counter[int]] = {stage: Counter() for stage in STAGES}

    @classmethod
    def of(cls, tallies: Iterable[Tally]) -> Tally:
        """All of them together."""
        total = cls()
        for tally in tallies:
            total.done += tally.done
            total.frame_bytes += tally.frame_bytes
            total.cut_steps += tally.cut_steps
            total.saved_steps += tally.saved_steps
            total.reuse.update(tally.reuse)
            for stage in STAGES:
                total._seconds[stage] += tally._seconds[stage]
                total._buckets[stage].update(tally._buckets[stage])
        return total

    def add(self, row: Row) -> None:
        """One finished request."""
        self.done += 1
        self.frame_bytes += row["frame_bytes"] or 0
        self.cut_steps += cut_step(row) or 0
        self.saved_steps += row["saved_steps"] or 0
        self.reuse[row["reuse"] or "none"] += 1
        for stage in STAGES:
            seconds = row.get(f"{stage}_s") or 0.0
            self._seconds[stage] += seconds
            self._buckets[stage][math.ceil(math.log(max(seconds, _SMALLEST_S)) / _GROWTH)] += 1

    @property
    def mean_cut(self) -> float | None:
        """Mean step at which requests were handed over; None where nothing was done."""
        return self.cut_steps / self.done if self.done else None

    def mean_s(self, stage: str) -> float | None:
        """Mean of a stage, seconds; None where nothing was done."""
        return self._seconds[stage] / self.done if self.done else None

    def quantiles_s(self, stage: str, shares: Iterable[float]) -> list[float | None]:
        """Nearest-rank quantiles of a stage, seconds, within 1 % of the true ones (below a
        microsecond: 1e-6); shares must rise. None where nothing was done."""
        buckets = iter(sorted(self._buckets[stage].items()))
        quantiles = list[float | None]()
        passed = 0
        bucket = 0
        for share in shares:
            while passed < math.ceil(share * self.done):
                bucket, number = next(buckets)
                passed += number
            middle = math.exp(bucket * _GROWTH) * 2 / (1 + math.exp(_GROWTH))
            quantiles.append(middle if self.done else None)
        return quantiles


class Sample:
    """Every k-th of the rows, with k as small as the bound on their number allows: it covers a run
    of any length."""

    def __init__(self, bound: int | None) -> None:
        self.rows: list[Row] = []
        self._bound = bound
        self._every = 1
        self._offered = 0

    def add(self, row: Row) -> None:
        """One row more, which the sample holds or passes over."""
        if self._offered % self._every == 0:
            self.rows.append(row)
        self._offered += 1
        if self._bound is not None and len(self.rows) > self._bound:
            self.rows = self.rows[::2]
            self._every = 2 * self._every
