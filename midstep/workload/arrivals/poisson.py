"""Poisson arrivals: each user asks at a rate of its own, whatever the system does."""

from __future__ import annotations

from midstep.scenario import Poisson
from midstep.workload.arrivals.law import Arrival, pause_s

__all__ = ["PoissonLaw"]


class PoissonLaw:
    """See ArrivalLaw. Independent exponential times between a user's requests."""

    closed = False

    def __init__(self, settings: Poisson, seed: int) -> None:
        self.mean_pause_s = 60.0 / settings.per_user_per_minute
        self._seed = seed

    def arrival(self, user: int, index: int, since_s: float) -> Arrival:
        return Arrival(since_s + pause_s(self._seed, user, index, self.mean_pause_s))
