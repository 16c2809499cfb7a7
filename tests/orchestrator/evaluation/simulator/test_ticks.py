"""The compiled tick queue against the same rules written as a plain event simulation."""

from __future__ import annotations

from collections import deque

import numpy as np
import pytest

from orchestrator.evaluation.simulator.ticks import Misses, ready_times

STEP = {1: 0.010, 2: 0.012, 3: 0.013, 4: 0.020}


def plain(
    at: list[float], item: list[int], slot: list[int], steps: int, batch: int
) -> tuple[list[float], list[bool]]:
    """One event after the other: an arrival, or the end of a tick."""
    waiting: deque[dict[str, float]] = deque()
    flying: list[dict[str, float]] = []
    latest: dict[int, dict[str, float]] = {}
    shares = []
    computed = []
    tick_ends = float("inf")

    def start(now: float) -> float:
        while waiting and len(flying) < batch:
            flying.append(waiting.popleft())
        return now + STEP[len(flying)] if flying else float("inf")

    r = 0
    while r < len(at) or flying:
        if r < len(at) and at[r] <= tick_ends:
            job = latest.get(item[r])
            fresh = job is None or ("ready" in job and job["ready"] <= slot[r])
            if fresh:
                job = latest[item[r]] = {"left": steps}
                waiting.append(job)
            assert job is not None
            shares.append(job)
            computed.append(fresh)
            idle = not flying
            now = at[r]
            r = r + 1
            if idle and not (r < len(at) and at[r] == now):
                tick_ends = start(now)
            continue
        now = tick_ends
        for job in flying:
            job["left"] -= 1
            if not job["left"]:
                job["ready"] = now
        flying = [job for job in flying if job["left"]]
        tick_ends = start(now)
    return [max(a, job["ready"]) for a, job in zip(at, shares, strict=True)], computed


@pytest.mark.parametrize("load", [5, 60, 200])
def test_the_kernel_equals_the_plain_simulation(load: int) -> None:
    random = np.random.default_rng(load)
    slot = np.repeat(np.arange(12), load)
    at = slot + np.sort(random.random((12, load)), axis=1).ravel()
    item = random.integers(0, load, len(at))
    ready, computed = ready_times(Misses(at, item, slot), STEP.__getitem__, 4, 3, load, 1.0)
    expected, own = plain(at.tolist(), item.tolist(), slot.tolist(), 3, 4)
    np.testing.assert_allclose(ready, expected, rtol=0, atol=1e-9)
    np.testing.assert_array_equal(computed, own)
    assert 0 < computed.sum() < len(at)


def test_by_hand() -> None:
    at = np.array([0.0, 0.005, 0.006, 0.021, 1.5])
    item = np.array([0, 1, 0, 1, 0])
    slot = np.array([0, 0, 0, 0, 1])
    ready, computed = ready_times(Misses(at, item, slot), STEP.__getitem__, 2, 2, 2, 1.0)
    # item 0 ticks alone until .010 and with item 1 until .022, item 1 alone until .032; in slot 1
    # item 0 is computed again
    np.testing.assert_allclose(ready, [0.022, 0.032, 0.022, 0.032, 1.52])
    assert computed.tolist() == [True, True, False, False, True]
