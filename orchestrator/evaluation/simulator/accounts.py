"""Accounting of a slot: costs (15) to (17), the queue (23), and a policy's sums over the slots.
Compiled; arrays have a lane axis (B) in front."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from orchestrator.decision.carry_over import carry_over
from orchestrator.decision.choice_prices import served_step, step_after

__all__ = [
    "AT",
    "BINS",
    "FACTOR",
    "FINEST_S",
    "SUMS",
    "Cache",
    "Ledger",
    "Rules",
    "Served",
    "settle",
]

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
# columns as kernels name them
SLOTS = AT["slots"]
RESPONSE_S = AT["response_s"]
REQUESTS = AT["requests"]
REQUEST_S = AT["request_s"]
HITS = AT["hits"]
HITS_IN_SLOT = AT["hits_in_slot"]
SAVED_S = AT["saved_s"]
SYSTEM_S = AT["system_s"]
QUEUE_S = AT["queue_s"]
AVERAGE_S = AT["average_s"]
STORE_S = AT["store_s"]
REDUCTION = AT["reduction"]
# of the response time's histogram: 0.1 ms to 1.8 million s in steps of 3 %
BINS = 800
FINEST_S = 1e-4
FACTOR = 1.03


class Served(NamedTuple):
    """A slot as the world has it, to be served: `requests` (B, U, k) items, -1 for none; `count`
    (B, R); `transfer_s` and `step_s` (B, U); `steps`, S; `shared`, `split`, `edge_step_s` and
    `wait_s` (B,)."""

    requests: Any
    count: Any
    transfer_s: Any
    step_s: Any
    steps: int
    shared: Any
    split: Any
    edge_step_s: Any
    wait_s: Any


class Cache(NamedTuple):
    """Content of the caches: `cached` (B, R), its step, 0 for none; `last_use` (B, R), the slot;
    `capacity` (B,) items."""

    cached: Any
    last_use: Any
    capacity: Any


class Ledger(NamedTuple):
    """A policy's books: `queue_s`, `target_s` (B,); `sums` (B, len(SUMS)), `histogram` (B,
    BINS)."""

    queue_s: Any
    target_s: Any
    sums: Any
    histogram: Any


class Rules(NamedTuple):
    """How a slot is settled: its number; whether what is not requested stays where there is room
    (`carry`), whether the serve guard is on (`guarded`), whether Q stands still (`frozen`), whether
    the sums count the slot (`measure`)."""

    slot: int
    carry: bool
    guarded: bool
    frozen: bool
    measure: bool


@njit(cache=True)
def settle(world: Any, costs: Any, choice: Any, cache: Any, ledger: Any, rules: Any) -> None:
    """Serve the slot by `choice` (B, R): updates the cache and Q, and adds to the sums."""
    cost_s, hit, _ = costs
    count = world.count
    queue_s = ledger.queue_s
    lanes, items = count.shape
    step = np.empty(items, np.int64)  # what each prompt is served by
    after = np.empty(items, np.int64)  # what is held of it then
    for b in range(lanes):
        system_s = missed_s = nothing_s = saved_s = stored = 0.0
        misses = active = 0
        for r in range(items):
            if count[b, r] == 0:
                continue
            j = served_step(cost_s[b, r], choice[b, r], rules.guarded)
            step[r] = j
            after[r] = step_after(choice[b, r], j, cache.cached[b, r])
            active += 1
            system_s += cost_s[b, r, j]
            nothing_s += cost_s[b, r, 0]
            saved_s += cost_s[b, r, 0] - cost_s[b, r, j]
            if after[r] > 0 and after[r] != cache.cached[b, r]:
                stored += 1
            if not hit[b, r, j]:
                missed_s += cost_s[b, r, j]
                misses += 1
        average_s = missed_s / misses if misses else 0.0
        if rules.measure:
            row = ledger.sums[b]
            row[SLOTS] += 1
            row[RESPONSE_S] += system_s / max(1, active)
            row[SAVED_S] += saved_s
            row[SYSTEM_S] += system_s
            row[QUEUE_S] += queue_s[b]
            row[AVERAGE_S] += average_s
            row[STORE_S] += stored
            row[REDUCTION] += saved_s / max(nothing_s, 1e-12)
            _count_requests(world, b, step, hit[b], row, ledger.histogram[b])
        if not rules.frozen and active:
            queue_s[b] = max(queue_s[b] + average_s - ledger.target_s[b], 0.0)
        if rules.carry:
            carry_over(
                count[b],
                after,
                cache.cached[b],
                cache.last_use[b],
                cache.capacity[b],
                rules.slot,
            )


@njit(cache=True)
def _count_requests(world: Any, b: int, step: Any, hit: Any, row: Any, histogram: Any) -> None:
    """Add lane b's requests, each by itself with its own channel and device (14), to the sums `row`
    and to `histogram`; `step` (R,) and `hit` (R, J) are the lane's."""
    requests = world.requests[b]
    step_s = world.step_s[b]
    transfer_s = world.transfer_s[b]
    shared = world.shared[b]
    split = world.split[b]
    edge_step_s = world.edge_step_s[b]
    wait_s = world.wait_s[b]
    steps = world.steps
    in_flight = np.zeros(step.shape[0], np.int64)  # prompts that an earlier request had computed
    for u in range(requests.shape[0]):
        for i in range(requests.shape[1]):
            r = requests[u, i]
            if r < 0:
                continue
            j = step[r]
            reused = hit[r, j]
            done = j if j > 0 else (split if shared else 0)
            total_s = (steps - done) * step_s[u] + (transfer_s[u] if done > 0 else 0.0)
            if done > 0 and not reused:
                total_s += wait_s + done * edge_step_s
            row[REQUESTS] += 1
            row[REQUEST_S] += total_s
            row[HITS] += 1 if reused else 0
            row[HITS_IN_SLOT] += 1 if reused or (done > 0 and in_flight[r] > 0) else 0
            in_flight[r] = 1
            at = int(np.log(max(total_s, FINEST_S) / FINEST_S) / np.log(FACTOR))
            histogram[min(at, BINS - 1)] += 1
