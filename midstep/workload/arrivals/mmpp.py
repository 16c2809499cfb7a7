"""Bursts: a Markov-modulated Poisson process of two states that all users share."""

from __future__ import annotations

from bisect import bisect_right

from midstep.draws import BURST, PAUSE, uniform
from midstep.scenario import Mmpp
from midstep.workload.arrivals.law import Arrival, exponential

__all__ = ["MmppLaw"]


class MmppLaw:
    """See ArrivalLaw. Calm and burst take turns for exponential stays; within each, every user asks
    at the state's rate (Fischer and Meier-Hellstern, Performance Evaluation 18, 1993). Counts are
    more variable than Poisson's: in bursts everybody asks at once.

    A user's arrivals are a unit Poisson process in the operational time, the integral of the rate,
    which is inverted stay by stay.
    """

    closed = False

    def __init__(self, settings: Mmpp, seed: int) -> None:
        per_s = (settings.calm_per_user_per_minute / 60, settings.burst_per_user_per_minute / 60)
        stays_s = (settings.calm_s, settings.burst_s)
        operational = sum(rate * stay for rate, stay in zip(per_s, stays_s, strict=True))
        self.mean_pause_s = sum(stays_s) / operational
        self._rates = per_s
        self._stays_s = stays_s
        self._seed = seed
        share = settings.burst_s / sum(stays_s)
        self._first = int(uniform(seed, BURST, 0, 1) < share)  # of the states, in equilibrium
        # where each stay begins, and the operational time until then
        self._begins_s = [0.0]
        self._passed = [0.0]

    def arrival(self, user: int, index: int, since_s: float) -> Arrival:
        variate = exponential(uniform(self._seed, PAUSE, index, user))
        target = self._operational(since_s) + variate
        while self._passed[-1] <= target:
            self._stay()
        number = bisect_right(self._passed, target) - 1
        rate = self._rates[self.state(number)]
        return Arrival(self._begins_s[number] + (target - self._passed[number]) / rate)

    def state(self, number: int) -> int:
        """The state of a stay: 0 calm, 1 burst."""
        return (self._first + number) % 2

    def _operational(self, instant_s: float) -> float:
        """The integral of the rate until an instant."""
        while self._begins_s[-1] <= instant_s:
            self._stay()
        number = bisect_right(self._begins_s, instant_s) - 1
        rate = self._rates[self.state(number)]
        return self._passed[number] + rate * (instant_s - self._begins_s[number])

    def _stay(self) -> None:
        """Draw how long the last stay is; the next one begins at its end."""
        number = len(self._begins_s) - 1
        state = self.state(number)
        stay_s = self._stays_s[state] * exponential(uniform(self._seed, BURST, number))
        self._begins_s.append(self._begins_s[-1] + stay_s)
        self._passed.append(self._passed[-1] + self._rates[state] * stay_s)
