"""Bayes' rule for request rates that may jump: the kernels of the policy `bayes`. Importing this
compiles; import it where it is used."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

__all__ = ["advance_all"]


def advance_all(
    belief: NDArray[np.float32],
    rate: NDArray[np.float64],
    prior: NDArray[np.float64],
    hazard: float,
    counts: NDArray[np.int64],
) -> None:
    """Advance every row of `belief` (items, bins) by a slot, in place: a jump with probability
    `hazard` to `prior` (bins,), then Poisson evidence of `counts` (items,) requests at `rate`
    (bins,) requests a slot; each row sums to 1."""
    silent = np.maximum(np.exp(-rate), 1e-30).astype(np.float32)
    log_rate = np.log(np.maximum(rate, 1e-30)).astype(np.float32)
    _advance(belief, silent, log_rate, (hazard * prior).astype(np.float32), hazard, counts)


@numba.njit(cache=True, fastmath=True)
def _advance(
    belief: Any,
    silent: Any,
    log_rate: Any,
    prior: Any,
    hazard: Any,
    counts: Any,
) -> Any:
    """`advance_all` with its exponentials and logarithms at hand."""
    items, bins = belief.shape
    stay = np.float32(1.0 - hazard)
    for i in range(items):
        row = belief[i]
        total = np.float32(0.0)
        if counts[i] == 0:
            for b in range(bins):
                row[b] = (stay * row[b] + prior[b]) * silent[b]
                total += row[b]
        else:
            most = np.float32(-1e30)
            for b in range(bins):
                most = max(most, counts[i] * log_rate[b] + np.log(silent[b]))
            for b in range(bins):
                row[b] = (stay * row[b] + prior[b]) * np.exp(
                    counts[i] * log_rate[b] + np.log(silent[b]) - most
                )
                total += row[b]
        scale = np.float32(1.0) / total
        for b in range(bins):
            row[b] *= scale
