"""Different prompts that a user asks for in one slot, by the popularity law: one law for a run's
slotted arrivals and for the simulator's closed catalogues."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from midstep.draws import REQUEST, uniform
from midstep.workload.popularity import rank_at

__all__ = ["TRIES", "SlotLaw", "remaining_item"]

# in a row for prompts that the user has already; then one is drawn of the others alone
TRIES = 1000


@dataclass(frozen=True)
class SlotLaw:
    """Law of a slot. `cumulative` (R,) adds up the ranks' weights, `order` (R,) has the item of
    each rank."""

    seed: int
    cumulative: Sequence[float]
    order: Sequence[int]

    def items(self, slot: int, user: int, count: int) -> list[int]:
        """Draw `count` different items, in the order in which the user asks for them: until one is
        new; after TRIES in vain, of what is left, which is the same law. Who asks for all items
        asks for them in turn."""
        if count == len(self.order):
            return list(range(count))
        chosen = [False] * len(self.order)
        items: list[int] = []
        number = 0  # of the user's draw
        while len(items) < count:
            item = -1
            for _ in range(TRIES):
                draw = uniform(self.seed, REQUEST, slot, user, number)
                number += 1
                item = self.order[rank_at(self.cumulative, draw)]
                if not chosen[item]:
                    break
            if chosen[item]:
                draw = uniform(self.seed, REQUEST, slot, user, number)
                number += 1
                item = remaining_item(self.cumulative, self.order, chosen, draw)
            chosen[item] = True
            items.append(item)
        return items


def remaining_item(cumulative: Any, order: Any, chosen: Any, uniform: float) -> int:
    """Item at a point of [0, 1) under the law of the items that are not `chosen` (R,); the most
    popular of them where their weights have been lost in rounding. The simulator compiles it."""
    left = 0.0
    below = 0.0
    for rank in range(len(order)):
        if not chosen[order[rank]]:
            left += cumulative[rank] - below
        below = cumulative[rank]
    point = uniform * left
    below = 0.0
    first = -1
    for rank in range(len(order)):
        item = order[rank]
        if not chosen[item]:
            if first < 0:
                first = item
            point -= cumulative[rank] - below
            if point < 0:
                return int(item)
        below = cumulative[rank]
    return int(first)
