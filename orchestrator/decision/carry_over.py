"""Carry-over of a cache from slot to slot, within (10): what the plan chose, and what nobody asked
for while there is room. One function for the simulator and for a live edge. Importing this
compiles."""

from __future__ import annotations

from typing import Any

from numba import njit

__all__ = ["carry_over"]


@njit(cache=True)
def carry_over(
    count: Any, choice: Any, cached: Any, last_use: Any, capacity: float, slot: int
) -> None:
    """Change one lane's `cached` (R,), the step held of each item, 0 for none, and `last_use` (R,),
    its slot, into what is held after a slot with `count` (R,) requests and this `choice` (R,).

    Chosen items first; what was cached and not requested stays while there is room, oldest last use
    leaves first. `capacity` counts items.
    """
    room = capacity
    idle = 0
    for r in range(count.shape[0]):
        if count[r] > 0:
            cached[r] = choice[r]
            room -= 1 if choice[r] > 0 else 0
            last_use[r] = slot
        elif cached[r] > 0:
            idle += 1
    while idle > max(room, 0):
        oldest = -1
        for r in range(count.shape[0]):
            if count[r] == 0 and cached[r] > 0 and (oldest < 0 or last_use[r] < last_use[oldest]):
                oldest = r
        cached[oldest] = 0
        idle -= 1
