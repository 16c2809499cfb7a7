"""Base class of score planners: at each slot's end the store gets the best available outputs.

A subclass defines what it learns from a slot's requests (`observe`) and how it scores items
(`scores`). Items are numbers, so that the same code serves prompt keys from a live edge and numbers
from the simulator (`ScoreLane` and `ByScore` call both methods directly).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from itertools import compress
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from midstep.wire.messages_control import Access, CachedOutput, CacheSnapshot, CacheUpdate
from orchestrator.decision.problem import Problem
from orchestrator.decision.step_meter import StepMeter
from orchestrator.decision.step_prices import choice_costs_s, count_neighbours, saved_s
from orchestrator.decision.step_sets import best_sets
from orchestrator.decision.step_store import Available, StepPlan, carry_out, fits
from orchestrator.policies.base import Kind, Policy, SlotRecord

__all__ = ["Floats", "Ids", "ScorePlanner"]

FEWEST = 3.0  # requests that what is kept is expected to have: else it would not be
STAY_SLOTS = 60.0  # for how long a plan is expected to last where it says what a step is worth

Ids = NDArray[np.int64]
Floats = NDArray[np.float64]


class ScorePlanner(Policy, ABC):
    """Keeps the outputs of store and staging with the largest score per byte that fit the capacity.

    `remembers_scores`: `scores` changes the planner's state, so that the number of calls matters;
    such a planner is called exactly once a slot everywhere. A subclass that overrides `plan`,
    `learn_slot` or `keep_best` must set `kind = Kind.PLANNER`; otherwise its definition raises
    TypeError.
    """

    kind: ClassVar[Kind] = Kind.SCORE_PLANNER
    plans_steps: ClassVar[bool] = True
    remembers_scores: ClassVar[bool] = False

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        for method in ("plan", "learn_slot", "keep_best"):
            own = getattr(cls, method) is not getattr(ScorePlanner, method)
            if own and cls.kind is Kind.SCORE_PLANNER:
                raise TypeError(
                    f"{cls.__qualname__}.{method} would be skipped where planners by score have a "
                    f"shortcut; say kind = Kind.PLANNER"
                )

    def reset(self, problem: Problem, seed: int) -> None:
        self.problem = problem
        self.seed = seed
        self._numbers: dict[str, int] = {}
        self._keys: dict[int, str] = {}  # the other way round; `_key_of` brings it up to date
        # the store as the last plan left it: keys and numbers of its outputs
        self._left: list[str] = []
        self._left_ids: Ids = np.zeros(0, np.int64)
        self._meter: StepMeter | None = None
        if problem.times is not None:
            self._meter = StepMeter(problem.steps, problem.times, problem.edge == "coupled")
        self._missing = np.zeros(0, np.int64)  # numbers of what the last plan had no output of

    @abstractmethod
    def observe(self, ids: Ids, counts: Ids, slot: int) -> None:
        """The slot's requests: distinct items `ids` (n,) in order of first request, asked for
        `counts` (n,) times."""

    @abstractmethod
    def scores(self, ids: Ids, slot: int) -> Floats:
        """How much each of `ids` (n,) is worth keeping for the slots after `slot`; larger is
        better, above 0."""

    def number(self, key: str, prompt: str) -> int:
        """An item's number, its own or in order of first request. Subclasses that look at the text
        override `met`."""
        known = self._numbers.get(key)
        if known is None:
            own = self.problem.number
            known = self._numbers[key] = len(self._numbers) if own is None else own(key)
            self._keys[known] = key
            self.met(known, prompt)
        return known

    def met(self, item: int, prompt: str) -> None:
        """Called when item `item` is first requested, with its prompt's text."""

    def plan(self, slot: SlotRecord) -> CacheUpdate:
        numbers = self.learn_slot(slot.accesses, slot.slot)
        if self._meter is not None:
            return self._name_steps(slot, numbers, self._meter)
        return self.keep_best(slot.available, slot.slot)

    def learn_slot(self, accesses: tuple[Access, ...], slot: int) -> Ids:
        """Count a slot's accesses and observe them; the number of each, (n,)."""
        numbers = list(map(self._numbers.get, [access.prompt_key for access in accesses]))
        for i, known in enumerate(numbers):
            if known is None:
                numbers[i] = self.number(accesses[i].prompt_key, accesses[i].prompt)
        count = Counter(numbers)
        self.observe(
            np.fromiter(count, np.int64, len(count)),
            np.fromiter(count.values(), np.int64, len(count)),
            slot,
        )
        return np.array(numbers, np.int64)

    def keep_best(self, available: CacheSnapshot, slot: int) -> CacheUpdate:
        """The update that brings the store to the best content within the capacity."""
        store = available.store
        ids = self._store_ids(store)
        size = np.array([output.nbytes for output in store], np.float64)
        fresh = list({h.prompt_key: h for h in available.staging}.values())
        new = self._ids(fresh)
        nbytes = np.array([output.nbytes for output in fresh], np.float64)
        is_held = np.zeros(1 + max(ids.max(initial=-1), new.max(initial=-1)), np.bool_)
        is_held[ids] = True
        waiting = ~is_held[new]
        every = [*store, *compress(fresh, waiting.tolist())]
        ids = np.concatenate([ids, new[waiting]])
        size = np.concatenate([size, nbytes[waiting]])
        if not every:
            return CacheUpdate()
        # a stable sort: of equal scores the outputs in the store come first, and stay
        order = np.argsort(-self.scores(ids, slot) / size, kind="stable")
        chosen = np.zeros(len(every), np.bool_)
        chosen[order[fits(size[order], available.capacity)]] = True
        first = len(store)
        admit = tuple(
            (every[i].prompt_key, every[i].step)
            for i in (first + np.flatnonzero(chosen[first:])).tolist()
        )
        self._left = [output.prompt_key for output in compress(every, chosen.tolist())]
        self._left_ids = ids[chosen]
        return CacheUpdate(
            admit, tuple(every[i].prompt_key for i in np.flatnonzero(~chosen[:first]).tolist())
        )

    def _name_steps(self, slot: SlotRecord, numbers: Ids, meter: StepMeter) -> CacheUpdate:
        """Plan the next slot where every request has its own cut: of the prompts whose outputs are
        there, were just asked for (`numbers`, of each access), or were wanted already, those are
        kept whose score times the seconds that a request saves is largest, each at the step that
        saves most over its expected requesters."""
        snapshot = slot.available
        meter.observe(numbers, slot.accesses, snapshot.work)
        store = self._store_ids(snapshot.store)
        available = Available.of(snapshot, store, self._ids(snapshot.staging))
        ids, row_of = _rows_of(available.prompt, numbers, self._missing)
        row = row_of[available.prompt]
        held = available.steps_of(available.held, len(row_of))
        ready = np.zeros((len(ids), meter.steps + 1), np.bool_)
        ready[row, available.step] = True
        score = self.scores(ids, slot.slot)
        # whatever a score's unit is, it says how the requests are shared out
        share = score / max(float(score.sum()), 1e-300)
        requests = np.maximum(FEWEST, share * STAY_SLOTS * meter.requests_per_slot)
        limits = meter.limits(ids)
        cost_s = choice_costs_s(meter.terms(), limits, held[ids], ready, requests)
        if snapshot.neighbours:
            near = self._kept_near(snapshot, ids, row_of)
            count_neighbours(cost_s, meter.terms(), limits, near, snapshot.fetch_s)
        gain_s = np.subtract(cost_s[:, :1].copy(), cost_s, out=cost_s)
        gain_s *= score[:, None]
        gain_s[:, 1] = 0.0  # J_{r,1} = 0 (34)
        nbytes = np.full(len(ids), float(self.problem.frame_bytes))
        nbytes[row] = available.nbytes
        wanted = self._wanted(gain_s, nbytes, snapshot.capacity)
        if self.problem.several:
            rows = np.flatnonzero(wanted.any(axis=1))
            weight = score[rows, None] * limits[rows]
            saved = saved_s(meter.terms(), meter.steps)
            wanted[:] = False
            for r, j in best_sets(weight, saved, nbytes[rows], snapshot.capacity):
                wanted[rows[r], j] = True
        number = ids.tolist()
        key_of = self._key_of()
        plan = StepPlan(
            key=lambda i: key_of[number[i]],
            wanted=wanted,
            gain_s=gain_s,
            price_s=meter.edge.price_s,
        )
        several = self.problem.several
        update, missing, left = carry_out(plan, available, row, snapshot.capacity, several=several)
        self._missing = ids[missing > 0]
        outputs = available.outputs
        self._left = [outputs[i].prompt_key for i in left.tolist()]
        self._left_ids = available.prompt[left]
        return update

    def _kept_near(self, snapshot: CacheSnapshot, ids: Ids, row_of: Ids) -> Ids:
        """(n,): the furthest step of each of `ids` that a neighbour keeps, 0: none."""
        near = np.zeros(len(ids), np.int64)
        for one in snapshot.neighbours:
            number = self._numbers.get(one.prompt_key, len(row_of))
            if one.keeps and number < len(row_of) and ids[row := row_of[number]] == number:
                near[row] = max(near[row], one.step)
        return near

    def _wanted(self, gain_s: Floats, nbytes: Floats, capacity: int) -> NDArray[np.bool_]:
        """(n, S+1): the best step of each prompt, for those that gain most a byte and fit."""
        step = gain_s.argmax(axis=1)
        worth = gain_s[np.arange(len(step)), step]
        order = np.argsort(-worth / nbytes, kind="stable")
        order = order[worth[order] > 0]
        wanted = np.zeros(gain_s.shape, np.bool_)
        if len(order):
            order = order[fits(nbytes[order], capacity)]
        wanted[order, step[order]] = True
        return wanted

    def planning_state(self) -> dict[str, Any]:
        """What naming steps has measured, for a subclass's state_dict; empty where none are
        named."""
        if self._meter is None:
            return {}
        key_of = self._key_of()
        missing = {number: key_of[number] for number in self._missing.tolist()}
        return {"meter": self._meter.state_dict(), "missing": missing}

    def load_planning_state(self, state: dict[str, Any]) -> None:
        """Go on from what `planning_state` gave."""
        self._keys = {}
        self._left = []
        self._left_ids = np.zeros(0, np.int64)
        if self._meter is not None and "meter" in state:
            self._meter.load_state_dict(state["meter"])
            self._missing = np.array(list(state["missing"]), np.int64)

    def _key_of(self) -> dict[int, str]:
        """The key of each number."""
        if len(self._keys) != len(self._numbers):  # a state was loaded
            self._keys = {number: key for key, number in self._numbers.items()}
        return self._keys

    def _store_ids(self, store: Sequence[CachedOutput]) -> Ids:
        """Numbers of the store's outputs, (n,). Most often it is as the last plan left it, and
        comparing keys costs less than looking each up."""
        keys = [output.prompt_key for output in store]
        if keys != self._left:
            self._left = keys
            self._left_ids = self._ids(store)
        return self._left_ids

    def _ids(self, outputs: Sequence[CachedOutput]) -> Ids:
        """Numbers of outputs, (n,). `number` is called for new items only: there may be
        thousands."""
        ids = np.array([self._numbers.get(output.prompt_key, -1) for output in outputs], np.int64)
        for i in np.flatnonzero(ids < 0).tolist():
            ids[i] = self.number(outputs[i].prompt_key, outputs[i].prompt)
        return ids


def _rows_of(*numbers: Ids) -> tuple[Ids, Ids]:
    """The different ones of all these numbers, ascending; and the place of each among them, by
    number."""
    size = 1 + max(int(some.max(initial=0)) for some in numbers)
    named = np.zeros(size, np.bool_)
    for some in numbers:
        named[some] = True
    ids = np.flatnonzero(named)
    row_of = np.zeros(size, np.int64)
    row_of[ids] = np.arange(len(ids))
    return ids, row_of
