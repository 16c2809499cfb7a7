"""The contended edge as a queue of engine ticks: when each missed output is ready.

Each tick advances everything in flight, at most `max_batch` outputs, by one denoising step, and
takes the profiled step time of its batch size. Outputs join and leave between ticks, first come
first served. A request for an output that is being computed, or that was computed earlier in its
slot, shares it. Importing this compiles; import it where it is used.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

__all__ = ["Misses", "ready_times"]

Ids = NDArray[np.int64]
Floats = NDArray[np.float64]


class Misses(NamedTuple):
    """Requests that missed, in order of arrival: when each came (n,), seconds, for which item (n,),
    in which slot (n,)."""

    at: Floats
    item: Ids
    slot: Ids


class _Engine(NamedTuple):
    """The edge's state: jobs in flight and the steps that each has `left`, both (max_batch,), of
    which the first `size` (1,) count; when each job (n,) came and is `ready`."""

    step_s: Any  # (max_batch + 1,): seconds of a tick of so many outputs
    flying: Any
    left: Any
    size: Any
    job_at: Any
    ready: Any


def ready_times(
    misses: Misses,
    step_s: Callable[[int], float],
    max_batch: int,
    steps: int,
    items: int,
    slot_s: float,
) -> tuple[Floats, NDArray[np.bool_]]:
    """When each miss (n,) has its output, seconds, and whether it was computed for it (n,) or
    shared. Items are below `items`; `step_s` is the time of one tick of that many outputs, each of
    which needs `steps`."""
    requests = len(misses.at)
    engine = _Engine(
        step_s=np.array([0.0, *(step_s(batch) for batch in range(1, max_batch + 1))]),
        flying=np.empty(max_batch, np.int64),
        left=np.empty(max_batch, np.int64),
        size=np.zeros(1, np.int64),
        job_at=np.empty(requests),
        ready=np.full(requests, np.inf),
    )
    ready, computed = _finish(misses, engine, steps, items, slot_s)
    return ready, computed


@numba.njit(cache=True)
def _finish(misses: Any, engine: Any, steps: Any, items: Any, slot_s: Any) -> Any:
    requests = len(misses.at)
    job_of = np.empty(requests, np.int64)
    computed = np.zeros(requests, np.bool_)
    latest = np.full(items, -1, np.int64)  # the last job for each item
    now = 0.0
    begun = 0
    jobs = 0
    for r in range(requests):
        now, begun = _tick_until(engine, misses.at[r], now, begun, jobs, steps)
        job = latest[misses.item[r]]
        # none yet, or one of an earlier slot, whose output is gone
        if job < 0 or engine.ready[job] <= misses.slot[r] * slot_s:
            job = jobs
            engine.job_at[job] = misses.at[r]
            latest[misses.item[r]] = job
            jobs += 1
            computed[r] = True
        job_of[r] = job
    _tick_until(engine, np.inf, now, begun, jobs, steps)
    return np.maximum(misses.at, engine.ready[job_of]), computed


@numba.njit(cache=True)
def _tick_until(engine: Any, until: Any, now: Any, begun: Any, jobs: Any, steps: Any) -> Any:
    """Run the ticks that start before `until`; all, where it is infinite. Returns the time, and how
    many of the `jobs` have begun."""
    batch = len(engine.step_s) - 1
    size = engine.size[0]
    while True:
        if size == 0 and begun < jobs:
            now = max(now, engine.job_at[begun])
        if now >= until:
            break
        while size < batch and begun < jobs and engine.job_at[begun] <= now:
            engine.flying[size] = begun
            engine.left[size] = steps
            size += 1
            begun += 1
        if size == 0:
            break
        now += engine.step_s[size]
        staying = 0
        for j in range(size):
            engine.left[j] -= 1
            if engine.left[j] == 0:
                engine.ready[engine.flying[j]] = now
            else:
                engine.flying[staying] = engine.flying[j]
                engine.left[staying] = engine.left[j]
                staying += 1
        size = staying
    engine.size[0] = size
    return now, begun
