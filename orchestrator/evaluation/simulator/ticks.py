"""The contended edge as a queue of engine ticks: when each missed output is ready.

Each tick advances everything in flight, at most `max_batch` outputs, by one denoising step, and
takes the profiled step time of its batch size. Outputs join and leave between ticks, first come
first served. A request for an output that is being made, or that was made earlier in its slot,
shares it. Importing this compiles; import it where it is used.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]
Floats = NDArray[np.float64]


@numba.njit(cache=True)
def _drain(
    until: Any,
    now: Any,
    step_s: Any,
    steps: Any,
    job_at: Any,
    begun: Any,
    jobs: Any,
    flying: Any,
    left: Any,
    ready: Any,
    made: Any,
) -> Any:
    """Ticks that start before `until`; all, where it is infinite. Returns the time, and how many
    have begun."""
    batch = len(step_s) - 1
    while True:
        if made[0] == 0 and begun < jobs:
            now = max(now, job_at[begun])
        if now >= until:
            return now, begun
        while made[0] < batch and begun < jobs and job_at[begun] <= now:
            flying[made[0]] = begun
            left[made[0]] = steps
            made[0] += 1
            begun += 1
        if made[0] == 0:
            return now, begun
        now += step_s[made[0]]
        kept = 0
        for j in range(made[0]):
            left[j] -= 1
            if left[j] == 0:
                ready[flying[j]] = now
            else:
                flying[kept] = flying[j]
                left[kept] = left[j]
                kept += 1
        made[0] = kept


@numba.njit(cache=True)
def _finish(
    at: Any,
    item: Any,
    slot: Any,
    step_s: Any,
    steps: Any,
    items: Any,
    slot_s: Any,
) -> Any:
    requests = len(at)
    job_of = np.empty(requests, np.int64)
    computed = np.zeros(requests, np.bool_)
    job_at = np.empty(requests)
    ready = np.full(requests, np.inf)
    latest = np.full(items, -1, np.int64)
    batch = len(step_s) - 1
    flying = np.empty(batch, np.int64)
    left = np.empty(batch, np.int64)
    made = np.zeros(1, np.int64)
    now = 0.0
    begun = 0
    jobs = 0
    for r in range(requests):
        now, begun = _drain(
            at[r], now, step_s, steps, job_at, begun, jobs, flying, left, ready, made
        )
        job = latest[item[r]]
        if job < 0 or ready[job] <= slot[r] * slot_s:  # made before this slot, and not kept
            job_at[jobs] = at[r]
            job = latest[item[r]] = jobs
            jobs += 1
            computed[r] = True
        job_of[r] = job
    _drain(np.inf, now, step_s, steps, job_at, begun, jobs, flying, left, ready, made)
    return np.maximum(at, ready[job_of]), computed


def ready_times(
    at: Floats,
    item: Ids,
    slot: Ids,
    step_s: Callable[[int], float],
    max_batch: int,
    steps: int,
    items: int,
    slot_s: float,
) -> tuple[Floats, NDArray[np.bool_]]:
    """When each miss (n,) has its output, seconds, and whether it was computed for it (n,) or
    shared.

    It came `at` (n,), in order, in `slot` (n,), for `item` (n,) below `items`; `step_s` is the time
    of one tick of that many outputs, each of which needs `steps`.
    """
    times = np.array([0.0, *(step_s(batch) for batch in range(1, max_batch + 1))])
    ready, computed = _finish(at, item, slot, times, steps, items, slot_s)
    return ready, computed
