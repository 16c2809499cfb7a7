"""Base class of price planners: from a slot's prices to one choice for each prompt, in one lane or
in many at once.

A subclass defines `open` and `decide`, both with a lane axis: the simulator runs seeds and sweep
points as one array program, and a live run, through `plan`, runs the same code with B = 1.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar, cast

import numpy as np
from numpy.typing import NDArray

from midstep.wire.messages_control import CachedOutput, CacheUpdate
from orchestrator.decision.problem import Problem
from orchestrator.decision.slots import Choice, Floats, PricedSlots
from orchestrator.decision.step_meter import StepMeter
from orchestrator.decision.step_prices import choice_costs_s, count_neighbours, saved_s
from orchestrator.decision.step_sets import best_sets
from orchestrator.decision.step_store import Available, StepPlan, carry_out
from orchestrator.policies.base import Kind, Policy, SlotRecord

__all__ = ["PricePlanner", "price_planner"]

FORECAST_SLOTS = 60.0  # e-folding of the demand forecast where plans are made ahead
RATE_SLOTS = 300.0  # e-folding of it where plans name steps
STAY_SLOTS = 60.0  # for how long such a plan is expected to last
UNKNOWN_S = (1.0, 0.5)  # assumed cost of a miss and of a hit before the first slot
FEWEST = 3.0  # requests that what is kept is expected to have: else it would not be
KEPT_SHARE = 0.9  # weight of a price's running mean; the new slot's price has the rest

Ids = NDArray[np.int64]


class PricePlanner(Policy, ABC):
    """Chooses by P2's prices, over a closed catalogue: each of its R prompts has a place. A prompt
    from outside the catalogue (a device started by hand may ask for one) has no place: it is
    served, and neither forecast nor cached."""

    kind: ClassVar[Kind] = Kind.PRICE_PLANNER
    plans_steps: ClassVar[bool] = True
    needs: ClassVar[frozenset[str]] = frozenset({"closed"})
    modes: ClassVar[frozenset[str]] = frozenset({"reactive", "proactive"})
    # choices are int8: lanes of a thousand prompts are read many times a slot
    most_steps: ClassVar[int] = 127
    # whether the serve guard is on: a request is served locally where the split would be slower
    guarded: ClassVar[bool] = False

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._rate = np.zeros(0)
        self._price_s = np.array(UNKNOWN_S)
        self._meter: StepMeter | None = None

    @abstractmethod
    def open(self, problems: Sequence[Problem], seeds: Sequence[int]) -> None:
        """Begin B independent lanes of equal R, each with its own problem and seed."""

    @abstractmethod
    def decide(self, slots: PricedSlots) -> Choice:
        """(B, R): the step to keep of each prompt, 0 for none; at most `capacity` of them, none
        where weight is 0."""

    def reset(self, problem: Problem, seed: int) -> None:
        assert problem.items is not None  # base.check
        self.problem = problem
        self.items = problem.items
        self._numbers = {}
        self._rate = np.zeros(self.items)
        self._price_s = np.array(UNKNOWN_S)
        self._meter = None
        if problem.times is not None:
            self._meter = StepMeter(problem.steps, problem.times, problem.edge == "coupled")
        self.open([problem], [seed])

    def place(self, key: str) -> int | None:
        """A prompt's place among the R items; new keys take the next, and None where all places are
        taken."""
        if self.problem.number is not None:
            return self.problem.number(key)
        place = self._numbers.get(key)
        if place is None and len(self._numbers) < self.items:
            place = self._numbers[key] = len(self._numbers)
        return place

    def number(self, key: str) -> int:
        """A prompt's place among the R items. Raises IndexError where there is none for it."""
        place = self.place(key)
        if place is None:
            raise IndexError(f"prompt {key} is one too many for a catalogue of {self.items}")
        return place

    def resize(self, capacity: int) -> None:
        self.problem = replace(self.problem, capacity=capacity)

    def plan(self, slot: SlotRecord) -> CacheUpdate:
        if slot.prices is not None:
            return self._react(slot)
        if self._meter is not None:
            return self._name_steps(slot, self._meter)
        return self._foresee(slot)

    def state_dict(self) -> dict[str, Any]:
        """The places of prompts, and the forecasts of demand and prices."""
        return {
            "numbers": dict(self._numbers),
            "rate": self._rate.copy(),
            "price_s": self._price_s.copy(),
            "meter": None if self._meter is None else self._meter.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._numbers = dict(state["numbers"])
        self._rate = np.array(state["rate"])
        self._price_s = np.array(state["price_s"])
        if self._meter is not None and state.get("meter") is not None:
            self._meter.load_state_dict(state["meter"])

    def _lane(
        self, held: Sequence[CachedOutput], queue_s: float, target_s: float, channel: Floats
    ) -> PricedSlots:
        p = self.problem
        choices = self.problem.last_step + 1
        cached = np.zeros((1, self.items), np.int8)
        for h in held:
            place = self.place(h.prompt_key)
            if place is not None:
                cached[0, place] = h.step
        return PricedSlots(
            weight=np.zeros((1, self.items)),
            count=np.zeros((1, self.items)),
            cost_s=np.full((1, self.items, choices), np.inf),
            hit=np.zeros((1, self.items, choices), np.bool_),
            channel=channel[None],
            cached=cached,
            queue_s=np.array([queue_s]),
            target_s=np.array([target_s]),
            weight_v=np.array([p.weight_v]),
            capacity=np.array([float(p.places)]),
            reusable=np.array([p.last_step]),
        )

    def _react(self, slot: SlotRecord) -> CacheUpdate:
        """Plan a slot whose requests, and the cost of each choice, are known (`reactive`)."""
        prices = slot.prices
        assert prices is not None
        held = slot.available.store
        lane = self._lane(held, slot.queue_s, prices.target_s, prices.channel)
        rows = np.array([self.number(key) for key in prices.keys], np.int64)
        lane.weight[0, rows] = 1.0
        lane.count[0, rows] = prices.count
        lane.cost_s[0, rows] = prices.cost_s
        lane.hit[0, rows] = prices.hit
        chosen = self.decide(lane)[0, rows]
        before = lane.cached[0, rows]
        admit = tuple(
            (k, int(j)) for k, j, b in zip(prices.keys, chosen, before, strict=True) if j and j != b
        )
        return CacheUpdate(
            admit,
            tuple(k for k, j, b in zip(prices.keys, chosen, before, strict=True) if b and not j),
        )

    def _foresee(self, slot: SlotRecord) -> CacheUpdate:
        """Plan the next slot before its requests are known (`proactive`): P2 over the available
        outputs, each prompt weighted with the forecast probability of a request, hit and miss
        priced with their running means."""
        decay = np.exp(-1 / FORECAST_SLOTS)
        self._rate *= decay
        edge_s: list[float] = []
        for access in slot.accesses:
            place = self.place(access.prompt_key)
            if place is not None:
                self._rate[place] += 1 - decay
            if access.reuse == "computed":
                edge_s.append(access.edge_s)
        self._learn_prices(slot, edge_s)
        every = {h.prompt_key: h for h in (*slot.available.staging, *slot.available.store)}
        known = {key: h for key, h in every.items() if self.place(key) is not None}
        lane = self._lane(
            slot.available.store, slot.queue_s, self._price_s[0], np.zeros(self.problem.users)
        )
        usual = max(
            1e-9, float(np.mean([self._rate[self.number(key)] for key in known])) if known else 1.0
        )
        for key, h in known.items():
            r = self.number(key)
            # relative to the mean demand, so that a slot's length does not matter
            lane.count[0, r] = self._rate[r] / usual
            lane.weight[0, r] = -np.expm1(-self._rate[r])
            lane.cost_s[0, r, 0] = self._price_s[0]
            if h.step < lane.cost_s.shape[2]:
                lane.cost_s[0, r, h.step] = self._price_s[1]
                lane.hit[0, r, h.step] = True
        lane.weight[0] = np.maximum(
            lane.weight[0], np.where(np.isfinite(lane.cost_s[0, :, 0]), 1e-9, 0.0)
        )
        chosen = self.decide(lane)[0]
        store = {h.prompt_key for h in slot.available.store}
        keep = {key for key in known if chosen[self.number(key)]}
        admit = tuple((k, known[k].step) for k in known if k in keep and k not in store)
        return CacheUpdate(admit, tuple(k for k in store if k not in keep))

    def _name_steps(self, slot: SlotRecord, meter: StepMeter) -> CacheUpdate:
        """Plan the next slot where every request has its own cut: P2 over all steps of every prompt
        that was asked for, each weighted with the forecast probability of a request, priced from
        what was measured."""
        snapshot = slot.available
        ids = self._places([access.prompt_key for access in slot.accesses])
        decay = np.exp(-1 / RATE_SLOTS)
        self._rate *= decay
        np.add.at(self._rate, ids[ids >= 0], 1 - decay)
        meter.observe(ids, slot.accesses, snapshot.work)
        available = Available.of(
            snapshot,
            self._places([o.prompt_key for o in snapshot.store]),
            self._places([o.prompt_key for o in snapshot.staging]),
        )
        rows = np.arange(len(self._numbers))
        lane = self._lane((), slot.queue_s, self._price_s[0], meter.channel)
        held = available.steps_of(available.held, self.items)
        lane.speed = meter.speed[None]
        lane.cached[0] = held
        ready = np.zeros((self.items, meter.steps + 1), np.bool_)
        ready[available.prompt, available.step] = True
        rate = self._rate[rows]
        requests = np.maximum(FEWEST, rate * STAY_SLOTS * meter.sum_weight(RATE_SLOTS) / RATE_SLOTS)
        cost_s = choice_costs_s(
            meter.terms(), meter.limits(rows), held[rows], ready[rows], requests
        )
        if snapshot.neighbours:
            near = np.zeros(len(rows), np.int64)
            for one in snapshot.neighbours:
                place = self._numbers.get(one.prompt_key)
                if one.keeps and place is not None:
                    near[place] = max(near[place], one.step)
            count_neighbours(cost_s, meter.terms(), meter.limits(rows), near, snapshot.fetch_s)
        # relative to the mean demand, so that a slot's length does not matter
        lane.count[0, rows] = rate / max(1e-9, float(rate.mean()) if len(rows) else 1.0)
        lane.weight[0, rows] = np.maximum(1e-9, -np.expm1(-rate))
        lane.cost_s[0, rows] = cost_s
        lane.cost_s[0, :, 1] = np.inf  # J_{r,1} = 0 (34)
        # what is kept is made once and serves for as long as the plan lasts: no miss of (16), which
        # a planner would else seek, as a cheap one lowers their mean
        lane.hit[0, rows, 2:] = True
        chosen = self.decide(lane)[0, rows].astype(np.int64)
        self._price_s = np.array([cost_s[:, 0].mean() if len(rows) else 0.0, 0.0])
        wanted = np.zeros((len(rows), meter.steps + 1), np.bool_)
        wanted[rows, chosen] = True
        if self.problem.several:
            wanted[:] = False
            for r, j in self._sets(np.flatnonzero(chosen), meter, snapshot.capacity):
                wanted[r, j] = True
        wanted[:, 0] = False
        # a prompt that is there has no target: the edge says whether a request goes on from it
        plan = StepPlan(
            key=list(self._numbers).__getitem__,
            wanted=wanted,
            gain_s=rate[:, None] * (cost_s[:, :1] - cost_s),
            price_s=meter.edge.price_s,
        )
        several = self.problem.several
        row = available.prompt
        update, _, _ = carry_out(plan, available, row, snapshot.capacity, several=several)
        return update

    def _sets(self, rows: Ids, meter: StepMeter, capacity: int) -> list[tuple[int, int]]:
        """The steps to keep of the prompts that were chosen (`several`)."""
        weight = self._rate[rows, None] * meter.limits(rows)
        nbytes = np.full(len(rows), float(self.problem.frame_bytes))
        sets = best_sets(weight, saved_s(meter.terms(), meter.steps), nbytes, capacity)
        return [(int(rows[r]), j) for r, j in sets]

    def _places(self, keys: Sequence[str]) -> Ids:
        """(n,) places, -1 for a prompt that has none."""
        places = [self.place(key) for key in keys]
        return np.array([-1 if place is None else place for place in places], np.int64)

    def _learn_prices(self, slot: SlotRecord, edge_s: list[float]) -> None:
        """Update the running means of a hit's and a miss's cost; a miss costs a hit and the edge's
        time."""
        cost = slot.cost
        if not cost.prompts:
            return
        edge = float(np.mean(edge_s)) if edge_s else float(self._price_s[0] - self._price_s[1])
        mean = cost.system_cost_s / cost.prompts
        miss = mean + edge * cost.hits / max(1, cost.requests)
        new = np.array([miss, max(0.0, miss - edge)])
        first = tuple(self._price_s) == UNKNOWN_S
        self._price_s = new if first else KEPT_SHARE * self._price_s + (1 - KEPT_SHARE) * new


def price_planner(policy: Policy) -> PricePlanner | None:
    """The policy itself where it is a price planner, else its price twin; None where it has
    none."""
    planner = policy if policy.kind is Kind.PRICE_PLANNER else policy.price_twin()
    return cast("PricePlanner | None", planner)
