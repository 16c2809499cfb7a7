"""Shares of right pictures and their paired difference, with intervals that know which pictures go
together: those of one core prompt begin with the same steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np

from midstep.reuse.proportions import Z_95, wilson

__all__ = ["Outcome", "PairedShare", "Share", "difference", "share"]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One picture: whether it is right, its digest, and the key of the output that it began with
    (`group`: pictures that may be right or wrong together)."""

    right: bool
    picture: str
    group: str


@dataclass(frozen=True, kw_only=True)
class Share:
    """How many of `count` pictures are right, how many of them differ, and the ends of the 95 %
    interval of the share."""

    right: int
    count: int
    different: int
    low: float
    high: float

    @property
    def mean(self) -> float:
        return self.right / self.count


@dataclass(frozen=True, kw_only=True)
class PairedShare:
    """Shares of the same requests' pictures in two runs; `mean`, `low`, `high`: the difference and
    the ends of its 95 % interval."""

    first: Share
    second: Share
    mean: float
    low: float
    high: float


def share(outcomes: Sequence[Outcome]) -> Share:
    """The share of right pictures, at least one. Its interval is Wilson's at the effective number
    of pictures (Dean and Pagano, J. Survey Statistics and Methodology 3, 2015)."""
    right = np.array([one.right for one in outcomes], float)
    different = len({one.picture for one in outcomes})
    effective = _effective(right, [one.group for one in outcomes], different)
    low, high = wilson(float(right.mean()) * effective, effective)
    return Share(
        right=int(right.sum()), count=len(outcomes), different=different, low=low, high=high
    )


def difference(pairs: Sequence[tuple[Outcome, Outcome]]) -> PairedShare:
    """The second share less the first, of pairs of the same request, at least one. Its interval is
    Agresti's and Min's (Statistics in Medicine 24, 2005: half a pair more in each cell of the
    table), at the effective number of pairs."""
    gaps = np.array([float(second.right) - first.right for first, second in pairs])
    different = len({(first.picture, second.picture) for first, second in pairs})
    effective = _effective(gaps, [first.group for first, _ in pairs], different)
    better = float((gaps > 0).mean()) * effective + 0.5
    worse = float((gaps < 0).mean()) * effective + 0.5
    count = effective + 2
    middle = (better - worse) / count
    half = Z_95 * sqrt(better + worse - (better - worse) ** 2 / count) / count
    return PairedShare(
        first=share([first for first, _ in pairs]),
        second=share([second for _, second in pairs]),
        mean=float(gaps.mean()),
        low=max(-1.0, middle - half),
        high=min(1.0, middle + half),
    )


def _effective(values: np.ndarray, groups: Sequence[str], most: int) -> float:
    """How many independent values say as much about the mean: by the variance between groups,
    `most` (that of different pictures) where they are all equal, or independent."""
    count = len(values)
    deviations = values - values.mean()
    _, places = np.unique(groups, return_inverse=True)
    sums = np.bincount(places, deviations)
    between = float(sums @ sums)
    if between == 0 or len(sums) < 2:
        return float(most)
    corrected = between * len(sums) / (len(sums) - 1)
    return max(1.0, min(float(most), count * float(deviations @ deviations) / corrected))
