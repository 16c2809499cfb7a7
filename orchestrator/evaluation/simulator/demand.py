"""Demand in a slot of a closed catalogue: `midstep.workload.slot_items` in compiled code, lane by
lane, the same items. Importing this compiles."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from midstep.draws import REQUEST
from midstep.workload import slot_items
from midstep.workload.slot_items import TRIES
from orchestrator.decision import draws

__all__ = ["Demand", "draw_requests"]

remaining_item = njit(cache=True)(slot_items.remaining_item)


class Demand(NamedTuple):
    """The law of B lanes: `users` (B,) draw `per_user` (B,) different items each in a slot.
    `weights` (B, R) adds up the weights by rank, `order` (B, R) has the item of each rank."""

    seeds: Any
    users: Any
    per_user: Any
    weights: Any
    order: Any


@njit(cache=True)
def draw_requests(demand: Any, slot: int, requests: Any, count: Any) -> None:
    """Fill a slot's `requests` (B, U, k), -1 where a lane has fewer, and `count` (B, R). Where a
    user asks for all items, it asks for them in turn.

    A user draws until an item is new; after TRIES in vain, of what is left, which is the same law:
    with a steep one the last new item could take longer than anybody waits.
    """
    items = demand.order.shape[1]
    chosen = np.empty(items, np.bool_)
    for b in range(requests.shape[0]):
        count[b] = 0
        requests[b] = -1
        seed = demand.seeds[b]
        weights = demand.weights[b]
        order = demand.order[b]
        per_user = demand.per_user[b]
        for u in range(demand.users[b]):
            if per_user == items:
                for i in range(items):
                    requests[b, u, i] = i
                    count[b, i] += 1
                continue
            chosen[:] = False
            number = 0  # of the user's draw
            for i in range(per_user):
                item = -1
                for _ in range(TRIES):
                    point = draws.uniform(seed, REQUEST, slot, u, number) * weights[items - 1]
                    number += 1
                    rank = min(np.searchsorted(weights, point, side="right"), items - 1)
                    if not chosen[order[rank]]:
                        item = order[rank]
                        break
                if item < 0:
                    share = draws.uniform(seed, REQUEST, slot, u, number)
                    number += 1
                    item = remaining_item(weights, order, chosen, share)
                chosen[item] = True
                requests[b, u, i] = item
                count[b, item] += 1
