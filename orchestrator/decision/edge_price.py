"""Lambda, the dual price of edge time: what a step to be computed delays everybody else by.

A tick of b requests takes a + c b seconds. Where N steps a second are computed, b = N a / (1 - N c)
requests are in flight (each takes part in every tick), and one step a second more makes that
db/dN = a / (1 - N c)^2 seconds longer for all of them together, of which a tick is the request's
own. Lambda is the rest, at the N that is *forecast*: requests like those of the last slots, each
cut where it is cheapest at that lambda. N falls as lambda rises and lambda rises with N, so there
is one pair that fits; lambda goes there in small parts, as all requests gain about the same by a
step and the price of a moment would throw them from one end to the other.

Chance makes queues longer than this mean has them: N counts CHANCE times.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from midstep.wire.messages_control import Access, EdgeWork
from orchestrator.decision.step_prices import StepTerms, free_cut

__all__ = ["CHANCE", "DAMPING", "EdgePrice", "balance_price_s", "congestion_s"]

Floats = NDArray[np.float64]

CHANCE = 1.05  # by which a step counts as more than one, tuned on seeds that are in no table
DAMPING = 0.2  # part of the way to the forecast's price that is gone in a slot
SAMPLES = 200  # requests that stand for those to come
RATE_SLOTS = 15.0  # e-folding of the rate of requests and of the correction
WORK_SLOTS = 5.0  # e-folding of the edge's mean batch
TICKS_SLOTS = 60.0  # e-folding of the account that a tick's time is read off
FIRST_TICK_S = 0.02  # a tick of one request before one was measured, where there is no profile
FULL = 0.995  # use of the edge above which the price rises no more
HALVINGS = 10  # of the interval in which lambda is sought: to a millisecond
FEW = 20  # requests below which there is no forecast


class EdgePrice:
    """Follows the edge's work and the requests, and sets lambda, `price_s`, once a slot.

    `tick_s` is seconds of a tick by its batch size, empty where no profile says. Attribute
    `tick_s` E is a tick's mean seconds lately, `wait_s` w the mean wait for a place in the batch,
    `use` the share of the edge's steps that is forecast to be used.
    """

    def __init__(self, tick_s: Sequence[float]) -> None:
        self.price_s = 0.0
        self.wait_s = 0.0
        self.use = 0.0
        self.tick_s = float(tick_s[0]) if len(tick_s) else FIRST_TICK_S
        self._profiled = len(tick_s) > 1
        # a and c, seconds
        self._tick = np.array([0.0, self.tick_s])
        if self._profiled:
            self._tick = np.polyfit(np.arange(1, len(tick_s) + 1), tick_s, 1)[::-1]
        self._settled = 0  # slots in which lambda was set
        self._work: EdgeWork | None = None
        self._recent = np.zeros(3)  # faded seconds, ticks, steps
        self._squares = np.zeros((3, 3))  # faded products of the same three
        self._rate = np.zeros(2)  # faded requests, and the seconds that they came in
        self._forecast_steps = 0.0  # a request's, at the last lambda
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
        before = self._work
        self._work = work
        if before is None or work is None:
            return
        if work.at_s <= before.at_s or work.steps < before.steps:
            return  # a new edge's
        spent = np.array([work.busy_s, work.ticks, work.steps]) - (
            before.busy_s,
            before.ticks,
            before.steps,
        )
        self._recent = np.exp(-1 / WORK_SLOTS) * self._recent + spent
        fade = np.exp(-1 / RATE_SLOTS)
        self._rate = fade * self._rate + (len(accesses), work.at_s - before.at_s)
        if self._recent[1] > 0:
            self.tick_s = float(self._recent[0] / self._recent[1])
        if not self._profiled:
            self._fit_tick(spent)
        self.wait_s = 0.5 * self.tick_s + work.queue * self._tick[1]
        if self._forecast_steps > 0:
            forecast = self._forecast_steps * len(accesses)
            self._correction = fade * self._correction + (spent[2], forecast)

    def settle(self, terms: StepTerms, steps: int) -> None:
        """Move lambda part of the way to where it fits the forecast."""
        if len(self._samples) < FEW or self._rate[1] <= 0:
            return
        forecast = self._forecast(terms, steps)
        per_s = self.requests_per_s * self.correction

        def delay_s(price_s: float) -> float:
            computed = CHANCE * per_s * forecast(price_s)
            return congestion_s(self._tick, computed) - self.tick_s

        most_s = float(self._samples[:, 2].max()) * (1 + terms.crowding * steps * terms.step_s)
        price_s = balance_price_s(delay_s, 2 * most_s)
        self._settled += 1
        # at first the mean of all slots so far: from 0 it would be a long way
        self.price_s += max(DAMPING, 1 / self._settled) * (price_s - self.price_s)
        self._forecast_steps = forecast(self.price_s)
        self.use = float(per_s * self._forecast_steps * self._tick[1])

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

    def _forecast(self, terms: StepTerms, steps: int) -> Callable[[float], float]:
        """The steps that a request has computed on average, by lambda: requests that find as much
        as those of the last slots did. Who finds something goes on to the limit where that pays for
        the request at the moment, any other is cut where it is cheapest for all."""
        held, limit, step_s = self._samples.T
        fresh = held == 0
        gain_s = step_s - self.tick_s  # of a step, for the request itself

        def mean_steps(price_s: float) -> float:
            cut = np.minimum(free_cut(terms, steps, price_s), limit)
            more = np.where(gain_s > price_s, np.maximum(0, limit - held), 0)
            return float(np.where(fresh, cut, more).mean())

        return mean_steps

    def _fit_tick(self, spent: Floats) -> None:
        """Read a and c off the edge's account: seconds = a ticks + c steps, by least squares."""
        self._squares = np.exp(-1 / TICKS_SLOTS) * self._squares + np.outer(spent, spent)
        known = self._squares[1:, 1:]
        seconds = self._squares[0, 1:]
        if np.linalg.cond(known) < 1e6:
            self._tick = np.maximum(np.linalg.solve(known, seconds), 1e-6)
        elif self._recent[2] > 0:  # all batches were alike
            self._tick = np.array([0.0, self._recent[0] / self._recent[2]])

    def state_dict(self) -> dict[str, Any]:
        return {
            "price_s": self.price_s,
            "tick_s": self.tick_s,
            "wait_s": self.wait_s,
            "tick": self._tick.copy(),
            "squares": self._squares.copy(),
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
        self._tick = np.array(state["tick"])
        self._squares = np.array(state["squares"])
        self._settled = int(state["settled"])
        self._recent = np.array(state["recent"])
        self._rate = np.array(state["rate"])
        self._forecast_steps = float(state["forecast"])
        self._correction = np.array(state["correction"])
        self._samples = np.array(state["samples"]).reshape(-1, 3)
        self._work = None  # the next account is of another edge's beginning


def congestion_s(tick: Floats, computed: float) -> float:
    """db/dN of `computed` steps a second, seconds; `tick` is (a, c)."""
    spare = 1 - min(computed * float(tick[1]), FULL)
    return float(tick[0]) / spare**2


def balance_price_s(delay_s: Callable[[float], float], most_s: float) -> float:
    """The price from 0 to `most_s` that is what it brings about: where `delay_s`, which falls as
    the price rises, is equal to it."""
    low_s = 0.0
    high_s = most_s
    if delay_s(low_s) <= low_s:
        return low_s
    for _ in range(HALVINGS):
        middle_s = 0.5 * (low_s + high_s)
        if delay_s(middle_s) > middle_s:
            low_s = middle_s
        else:
            high_s = middle_s
    return high_s
