"""What a slot came to: costs (14) to (17), the queue (23), what stays cached, and a policy's sums
over the slots."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

SUMS = (
    "slots",
    "response_s",
    "requests",
    "request_s",
    "hits",
    "hits_in_slot",
    "saved_s",
    "system_s",
    "queue_s",
    "average_s",
    "objective",
    "exact",
    "nothing",
    "store_s",
    "reduction",
)
AT = {name: i for i, name in enumerate(SUMS)}
# of the response time's histogram: 0.1 ms to 13 s in steps of 3 %
BINS = 400
FINEST_S = 1e-4
FACTOR = 1.03


@njit(cache=True)
def price(
    base: Any, count: Any, cached: Any, tolerated: Any, edge_step: Any, shared: Any, split: Any, wait: Any, cost: Any,
    hit: Any, weight: Any,
) -> None:  # fmt: skip
    """(14): fills `cost` and `hit` (B, R, J) from the world's `base` and what is `cached` (B,
    R)."""
    lanes, items, choices = base.shape
    for b in range(lanes):
        for r in range(items):
            weight[b, r] = 1.0 if count[b, r] > 0 else 0.0
            if count[b, r] == 0:
                continue
            for j in range(choices):
                hit[b, r, j] = j > 0 and cached[b, r] == j and tolerated[b, r, j]
                cost[b, r, j] = base[b, r, j]
                if j == 0:
                    cost[b, r, j] += wait[b] + split[b] * edge_step[b] if shared[b] else 0.0
                elif not hit[b, r, j]:
                    cost[b, r, j] += wait[b] + j * edge_step[b]


@njit(cache=True)
def settle(
    requests: Any, count: Any, transfer: Any, pace: Any, steps: int, shared: Any, split: Any, edge_step: Any, wait: Any,
    cost: Any, hit: Any, choice: Any, capacity: Any, cached: Any, last_use: Any, slot: int, carry: bool, guarded: bool,
    target: Any, queue: Any, frozen: bool, sums: Any, histogram: Any, measure: bool,
) -> None:  # fmt: skip
    """Serve the slot by `choice` (B, R); update `queue`, `cached`, `last_use`; add to `sums` (B,
    len(SUMS))."""
    lanes, items = count.shape
    served = np.empty(items, np.int64)
    for b in range(lanes):
        system = missed = nothing = saved = store = 0.0
        misses = active = 0
        for r in range(items):
            if count[b, r] == 0:
                continue
            j = choice[b, r]
            if guarded and j > 0 and cost[b, r, j] > cost[b, r, 0]:
                j = 0  # the serve guard: the split would be slower; what is cached stays
            served[r] = j
            active += 1
            system += cost[b, r, j]
            nothing += cost[b, r, 0]
            saved += cost[b, r, 0] - cost[b, r, j]
            if choice[b, r] > 0 and choice[b, r] != cached[b, r]:
                store += 1
            if not hit[b, r, j]:
                missed += cost[b, r, j]
                misses += 1
        average = missed / misses if misses else 0.0
        if measure:
            row = sums[b]
            row[0] += 1
            row[1] += system / max(1, active)
            row[6] += saved
            row[7] += system
            row[8] += queue[b]
            row[9] += average
            row[13] += store
            row[14] += saved / max(nothing, 1e-12)
            _requests(
                requests[b], count[b], transfer[b], pace[b], steps, shared[b], split[b], edge_step[b], wait[b], hit[b],
                served, row, histogram[b],
            )  # fmt: skip
        if not frozen and active:
            queue[b] = max(queue[b] + average - target[b], 0.0)
        if carry:
            _carry(count[b], choice[b], capacity[b], cached[b], last_use[b], slot)


@njit(cache=True)
def _requests(
    requests: Any, count: Any, transfer: Any, pace: Any, steps: int, shared: bool, split: int, edge_step: float,
    wait: float, hit: Any, served: Any, row: Any, histogram: Any,
) -> None:  # fmt: skip
    """Each request by itself: its own channel and device, (14)."""
    shared_already = np.zeros(count.shape[0], np.int64)
    for u in range(requests.shape[0]):
        for i in range(requests.shape[1]):
            r = requests[u, i]
            if r < 0:
                continue
            j = served[r]
            found = hit[r, j]
            done = j if j > 0 else (split if shared else 0)
            total = (steps - done) * pace[u] + (transfer[u] if done > 0 else 0.0)
            if done > 0 and not found:
                total += wait + done * edge_step
            row[2] += 1
            row[3] += total
            row[4] += 1 if found else 0
            row[5] += 1 if found or (done > 0 and shared_already[r] > 0) else 0
            shared_already[r] = 1
            at = int(np.log(max(total, FINEST_S) / FINEST_S) / np.log(FACTOR))
            histogram[min(at, BINS - 1)] += 1


@njit(cache=True)
def _carry(count: Any, choice: Any, capacity: float, cached: Any, last_use: Any, slot: int) -> None:
    """(10) over slots: chosen items first; what was cached and not asked for stays while there is
    room, oldest last use leaves first."""
    room = capacity
    kept = 0
    for r in range(count.shape[0]):
        if count[r] > 0:
            cached[r] = choice[r]
            room -= 1 if choice[r] > 0 else 0
            last_use[r] = slot
        elif cached[r] > 0:
            kept += 1
    while kept > max(room, 0):
        oldest = -1
        for r in range(count.shape[0]):
            if count[r] == 0 and cached[r] > 0 and (oldest < 0 or last_use[r] < last_use[oldest]):
                oldest = r
        cached[oldest] = 0
        kept -= 1
