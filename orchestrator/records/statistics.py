"""Two kinds of interval, under two names (docs/record.md): over seeds, which are independent, and
within one run, whose requests are not.

`ci95` is the half-width over seeds, by Student's t. `ci95_batch_means` is the half-width within one
run, by batch means (Law, Simulation Modeling and Analysis, 5th edition, section 9.5.3): one request
waits because another does, so that s / sqrt(n) over requests would be much too narrow.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "BATCHES",
    "P95_FROM",
    "P99_FROM",
    "Floats",
    "batch_means",
    "nearest_rank",
    "over_seeds",
    "percentile",
    "plain",
    "smallest_count",
]

Floats = NDArray[np.float64]
Value = dict[str, float | None]

BATCHES = 20
PER_BATCH = 5  # values at least: batches of one value each would be the values again
T_975 = 2.093024054408263  # Student's t, 0.975, BATCHES - 1 degrees of freedom
# lag-1 correlation that BATCHES independent means exceed once in twenty: 1.645 / sqrt(20)
CORRELATED = 0.368
# observations from which on the largest one is above the percentile with 99 % confidence:
# 1 - 0.95 ** 90 and 1 - 0.99 ** 459
P95_FROM = 90
P99_FROM = 459


def over_seeds(values: Sequence[float] | Floats) -> Value:
    """Mean over seeds and the half-width of its 95 % interval (Student's t). Seeds without a value
    (nan) are left out; the half-width is null for fewer than two, the mean for none."""
    from scipy.stats import t  # half a second, and a run needs none of it

    array = np.asarray(values, np.float64)
    array = array[np.isfinite(array)]
    if array.size < 2:
        return {"mean": float(array[0]) if array.size else None, "ci95": None}
    half = float(t.ppf(0.975, array.size - 1) * array.std(ddof=1) / np.sqrt(array.size))
    return {"mean": float(array.mean()), "ci95": half}


def batch_means(values: Sequence[float] | Floats) -> Value:
    """Mean of a run's values, in the order in which they came, and the half-width of its 95 %
    interval: Student's t over the means of BATCHES batches of neighbours.

    The half-width is null where there are fewer than PER_BATCH values a batch, or where the means
    of the batches are still correlated: the run is too short to say how far to trust its mean.
    """
    array = np.asarray(values, np.float64)
    if not array.size:
        return {"mean": None, "ci95_batch_means": None}
    mean = float(array.mean())
    if array.size < BATCHES * PER_BATCH:
        return {"mean": mean, "ci95_batch_means": None}
    means = np.array([batch.mean() for batch in np.array_split(array, BATCHES)])
    if _lag_one(means) > CORRELATED:
        return {"mean": mean, "ci95_batch_means": None}
    half = T_975 * float(means.std(ddof=1)) / np.sqrt(BATCHES)
    return {"mean": mean, "ci95_batch_means": float(half)}


def plain(value: float | None) -> Value:
    """A run's count, percentile or pooled value, which has no interval."""
    return {"mean": value, "ci95_batch_means": None}


def percentile(values: Sequence[float] | Floats, q: float) -> float | None:
    """The q-th percentile, between neighbours by a straight line; null of p95 below P95_FROM values
    and of p99 below P99_FROM, where the largest value says as much."""
    array = np.asarray(values, np.float64)
    if array.size < max(1, smallest_count(q)):
        return None
    return float(np.percentile(array, q))


def nearest_rank(values: Sequence[float], q: float) -> float | None:
    """The q-th percentile by nearest rank, where values are too few for `percentile`: of fewer than
    100 / (100 - q) the largest. None of none."""
    ordered = sorted(values)
    return ordered[math.ceil(q / 100 * len(ordered)) - 1] if ordered else None


def smallest_count(q: float) -> int:
    """How many values a percentile needs."""
    if q >= 99:
        return P99_FROM
    return P95_FROM if q >= 95 else 1


def _lag_one(means: Floats) -> float:
    """Correlation of each value with the one before; 0 where all are equal."""
    deviation: Any = means - means.mean()
    total = float(deviation @ deviation)
    return float(deviation[1:] @ deviation[:-1]) / total if total > 0 else 0.0
