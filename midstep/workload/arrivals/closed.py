"""Closed arrivals: a user thinks, asks, and waits for its picture."""

from __future__ import annotations

from midstep.scenario import Closed
from midstep.workload.arrivals.law import Arrival, pause_s

__all__ = ["ClosedLaw"]


class ClosedLaw:
    """See ArrivalLaw. Exponential think times: the load falls as the system slows down."""

    closed = True

    def __init__(self, settings: Closed, seed: int) -> None:
        self.mean_pause_s = settings.think_s
        self._seed = seed

    def arrival(self, user: int, index: int, since_s: float) -> Arrival:
        think_s = pause_s(self._seed, user, index, self.mean_pause_s)
        return Arrival(since_s + think_s, think_s)
