"""A day's load: Poisson arrivals whose rate goes up and down as a sine."""

from __future__ import annotations

import math

from midstep.draws import PAUSE, THINNING, uniform
from midstep.scenario import Diurnal
from midstep.workload.arrivals.law import Arrival, exponential

__all__ = ["DiurnalLaw"]


class DiurnalLaw:
    """See ArrivalLaw. Drawn by thinning: candidates come at the peak's rate, and each is one with
    the odds of its instant's rate (Lewis and Shedler, Naval Research Logistics 26, 1979)."""

    closed = False

    def __init__(self, settings: Diurnal, seed: int) -> None:
        self.mean_pause_s = 60.0 / settings.per_user_per_minute
        self._settings = settings
        self._seed = seed

    def share(self, instant_s: float) -> float:
        """The rate at an instant as a share of its mean."""
        settings = self._settings
        turn = (instant_s - settings.peak_s) / settings.period_s
        return 1 + settings.swing * math.cos(2 * math.pi * turn)

    def arrival(self, user: int, index: int, since_s: float) -> Arrival:
        peak = 1 + self._settings.swing
        instant_s = since_s
        candidate = 0
        while True:
            draw = uniform(self._seed, PAUSE, index, user, candidate)
            instant_s += exponential(draw) * self.mean_pause_s / peak
            odds = self.share(instant_s) / peak
            if uniform(self._seed, THINNING, index, user, candidate) < odds:
                return Arrival(instant_s)
            candidate += 1
