"""Who asks for what in a slot of a closed catalogue: distinct prompts by the popularity law.
Importing this compiles."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from midstep.draws import REQUEST
from orchestrator.decision import draws

__all__ = ["TRIES", "draw_requests", "remaining_item"]

TRIES = (
    1000  # in a row for prompts that the user has already; then one is drawn of the others alone
)


@njit(cache=True)
def draw_requests(
    seeds: Any,
    slot: int,
    users: Any,
    per_user: Any,
    weights: Any,
    order: Any,
    requests: Any,
    count: Any,
) -> None:
    """Fill `requests` (B, U, k), -1 where a lane has fewer, and `count` (B, R): `users` (B,) draw
    `per_user` (B,) different items each; where that is all items, all of them in turn.

    `weights` (B, R) adds up the law by rank, `order` (B, R) has the item of each rank. A user draws
    until an item is new; after TRIES in vain, of what is left, which is the same law: with a steep
    one the last new item could take longer than anybody waits.
    """
    items = order.shape[1]
    chosen = np.empty(items, np.bool_)
    for b in range(requests.shape[0]):
        count[b] = 0
        requests[b] = -1
        total = weights[b, items - 1]
        for u in range(users[b]):
            if per_user[b] == items:
                for i in range(items):
                    requests[b, u, i] = i
                    count[b, i] += 1
                continue
            chosen[:] = False
            number = 0  # of the user's draw
            for i in range(per_user[b]):
                item = -1
                for _ in range(TRIES):
                    point = draws.uniform(seeds[b], REQUEST, slot, u, number) * total
                    number += 1
                    rank = min(np.searchsorted(weights[b], point, side="right"), items - 1)
                    if not chosen[order[b, rank]]:
                        item = order[b, rank]
                        break
                if item < 0:
                    share = draws.uniform(seeds[b], REQUEST, slot, u, number)
                    number += 1
                    item = remaining_item(weights[b], order[b], chosen, share)
                chosen[item] = True
                requests[b, u, i] = item
                count[b, item] += 1


@njit(cache=True)
def remaining_item(weights: Any, order: Any, chosen: Any, uniform: float) -> int:
    """The item at a point of [0, 1) under the law of the items that are not `chosen` (R,); the most
    popular of them where their weights have been lost in rounding."""
    left = 0.0
    below = 0.0
    for rank in range(len(order)):
        if not chosen[order[rank]]:
            left += weights[rank] - below
        below = weights[rank]
    point = uniform * left
    below = 0.0
    first = -1
    for rank in range(len(order)):
        item = order[rank]
        if not chosen[item]:
            if first < 0:
                first = item
            point -= weights[rank] - below
            if point < 0:
                return int(item)
        below = weights[rank]
    return int(first)
