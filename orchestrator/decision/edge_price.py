"""Lambda, the dual price of edge time: what a step to be computed costs everybody else.

Every uncached request gains about the same by a step, so a price that follows the load of the
moment would flip all of them between their limit and one step. So the price is that at which the
*forecast* use of the edge is USE, over the requests of the last slots as they would be cut under
the plan, and it moves there in small parts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from midstep.wire.messages import Access, EdgeWork
from orchestrator.decision.step_prices import StepTerms, free_cut

__all__ = ["DAMPING", "USE", "EdgePrice", "least_price_s"]

Floats = NDArray[np.float64]

USE = 0.9  # of the edge's time
DAMPING = 0.2  # part of the way to the forecast's price that is gone in a slot
SAMPLES = 200  # requests that stand for those to come
RATE_SLOTS = 15.0  # e-folding of the rate of requests and of the correction
WORK_SLOTS = 5.0  # e-folding of the edge's mean batch
FIRST_TICK_S = 0.02  # a tick before one was measured, where there is no profile
HALVINGS = 9  # of the interval in which lambda is sought: to a millisecond
FEW = 20  # requests below which there is no forecast


class EdgePrice:
    """Follows the edge's work and the requests, and sets lambda, `price_s`, by `settle`.

    `tick_s` E is a tick's mean seconds lately, `wait_s` w the mean wait for a place in the batch.
    """

    def __init__(self, tick_s: Sequence[float]) -> None:
        self.price_s = 0.0
        self.tick_s = float(tick_s[0]) if len(tick_s) else FIRST_TICK_S
        self.wait_s = 0.0
        self.use = 0.0  # forecast
        self._settled = 0  # slots in which lambda was set
        self._least_s = self.tick_s  # a tick of one request
        self._step_s = self.tick_s  # edge time of a step: a tick's, by those in it
        self._work: EdgeWork | None = None
        self._recent = np.zeros(3)  # faded seconds, ticks, steps
        self._rate = np.zeros(2)  # faded requests, and the seconds that they came in
        self._forecast_steps = 0.0  # a request's, under the last plan
        self._correction = np.array([1.0, 1.0])  # faded steps: computed, forecast
        self._samples = np.zeros((0, 3))  # step found, limit, seconds of a step on the device

    def observe(self, accesses: Sequence[Access], work: EdgeWork | None) -> None:
        """The accesses of a slot, and the edge's account at its end."""
        rows = [
            (a.step - a.edge_steps, a.limit, a.step_s)
            for a in accesses
            if a.limit > 0 and a.step_s > 0
        ]
        if rows:
            self._samples = np.concatenate([self._samples, np.array(rows)])[-SAMPLES:]
        if work is None:
            return
        before = self._work
        self._work = work
        if before is None or work.at_s <= before.at_s or work.steps < before.steps:
            return  # the first account, or a new edge's
        elapsed_s = work.at_s - before.at_s
        steps = work.steps - before.steps
        fade = np.exp(-1 / WORK_SLOTS)
        ticks = work.ticks - before.ticks
        self._recent = fade * self._recent + (work.busy_s - before.busy_s, ticks, steps)
        fade = np.exp(-1 / RATE_SLOTS)
        self._rate = fade * self._rate + (len(accesses), elapsed_s)
        if self._recent[2] > 0:
            self.tick_s = float(self._recent[0] / self._recent[1])
            self._least_s = min(self._least_s, self.tick_s)
            self._step_s = float(self._recent[0] / self._recent[2])
        self.wait_s = 0.5 * self.tick_s + work.queue * self._step_s
        if self._forecast_steps > 0:
            forecast = self._forecast_steps * len(accesses)
            self._correction = fade * self._correction + (steps, forecast)

    def settle(self, terms: StepTerms, steps: int) -> None:
        """Move lambda part of the way to where the forecast use is USE."""
        if len(self._samples) < FEW or self._rate[1] <= 0:
            return
        forecast = self._forecast(terms, steps)
        capacity = USE / (self.requests_per_s * self._step_s * self.correction)
        price_s = least_price_s(forecast, capacity, float(self._samples[:, 2].max()))
        self._settled += 1
        # at first the mean of all slots so far: from 0 it would be a long way
        self.price_s += max(DAMPING, 1 / self._settled) * (price_s - self.price_s)
        self._forecast_steps = forecast(self.price_s)
        self.use = USE * self._forecast_steps / capacity

    def _forecast(self, terms: StepTerms, steps: int) -> Callable[[float], float]:
        """The steps that a request has computed on average, by lambda: requests that find as much
        as those of the last slots did. Who finds something goes on to the limit where that pays for
        the request at the moment, any other is cut where it is cheapest for all."""
        found, limit, step_s = self._samples.T
        fresh = found == 0
        gain_s = step_s - self.tick_s  # of a step, for the request itself
        floor_s = self.tick_s - self._least_s

        def mean_steps(price_s: float) -> float:
            charge_s = max(price_s, floor_s)
            cut = np.minimum(free_cut(terms, steps, charge_s), limit)
            more = np.where(gain_s > charge_s, limit - found, 0)
            return float(np.where(fresh, cut, more).mean())

        return mean_steps

    @property
    def is_settled(self) -> bool:
        """Whether lambda was set at all: before there is no price."""
        return self._settled > 0

    @property
    def charge_s(self) -> float:
        """What an edge charges for a step to be computed beside its own tick: lambda, or what it
        delays those in flight by where that is more."""
        return max(self.price_s, self.tick_s - self._least_s)

    @property
    def requests_per_s(self) -> float:
        """Requests a second, lately."""
        return float(max(self._rate[0], 1e-9) / max(self._rate[1], 1e-9))

    @property
    def correction(self) -> float:
        """Steps computed for each that was forecast: requests share trajectories, and some have
        seeds of their own."""
        done, forecast = self._correction
        return float(np.clip(done / max(forecast, 1e-9), 0.2, 3.0))

    def state_dict(self) -> dict[str, Any]:
        return {
            "price_s": self.price_s,
            "tick_s": self.tick_s,
            "wait_s": self.wait_s,
            "step_s": self._step_s,
            "least_s": self._least_s,
            "settled": self._settled,
            "recent": self._recent.copy(),
            "rate": self._rate.copy(),
            "forecast": self._forecast_steps,
            "correction": self._correction.copy(),
            "samples": self._samples.copy(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.price_s = float(state["price_s"])
        self.tick_s = float(state["tick_s"])
        self.wait_s = float(state["wait_s"])
        self._step_s = float(state["step_s"])
        self._least_s = float(state["least_s"])
        self._settled = int(state["settled"])
        self._recent = np.array(state["recent"])
        self._rate = np.array(state["rate"])
        self._forecast_steps = float(state["forecast"])
        self._correction = np.array(state["correction"])
        self._samples = np.array(state["samples"]).reshape(-1, 3)
        self._work = None  # the next account is of another edge's beginning


def least_price_s(steps: Callable[[float], float], capacity: float, most_s: float) -> float:
    """The least price of a step, from 0 to `most_s`, at which no more than `capacity` steps are
    wanted; `steps` says how many are, and falls as the price rises."""
    if steps(0.0) <= capacity:
        return 0.0
    low_s = 0.0
    high_s = most_s
    for _ in range(HALVINGS):
        middle_s = 0.5 * (low_s + high_s)
        if steps(middle_s) > capacity:
            low_s = middle_s
        else:
            high_s = middle_s
    return high_s
