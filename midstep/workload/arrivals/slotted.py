"""Slotted arrivals: as in the paper, every user's requests of a slot come at its start."""

from __future__ import annotations

import math

from midstep.scenario import Slotted
from midstep.workload.arrivals.law import Arrival

__all__ = ["SlottedLaw"]

ROUNDING = 1e-9  # of a slot: an instant that is nearer to a boundary is on it
# of a slot after the boundary: the plan that is made there comes first, on every road
AFTER = 1e-6


class SlottedLaw:
    """See ArrivalLaw. `per_user` requests a user at each slot's start, right after the plan
    for it, the first at or after when the user came; nothing is drawn."""

    closed = False

    def __init__(self, settings: Slotted, slot_seconds: float) -> None:
        self.mean_pause_s = slot_seconds / settings.per_user
        self._per_user = settings.per_user
        self._slot_seconds = slot_seconds

    def arrival(self, user: int, index: int, since_s: float) -> Arrival:
        if index == 0:
            slot = math.ceil(since_s / self._slot_seconds - ROUNDING)
        elif index % self._per_user:
            return Arrival(since_s)
        else:
            slot = round(since_s / self._slot_seconds) + 1
        return Arrival((slot + AFTER) * self._slot_seconds)
