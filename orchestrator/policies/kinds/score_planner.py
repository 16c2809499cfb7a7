"""Base class of score planners: at each slot's end the store gets the best available outputs.

A subclass defines what it learns from a slot's requests (`observe`) and how it scores items
(`scores`). Items are numbers, so that the same code serves prompt keys from a live edge and numbers
from the simulator (`ScoreLane` and `ByScore` call both methods directly).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from itertools import compress
from operator import is_
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from midstep.wire.messages import Access, CachedOutput, CacheSnapshot, CacheUpdate
from orchestrator.decision.problem import Problem
from orchestrator.policies.base import Kind, Policy, SlotRecord

__all__ = ["Floats", "Ids", "ScorePlanner", "fits"]

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
        # the store as the last plan left it, and its numbers and bytes
        self._left: list[CachedOutput] = []
        self._left_rows: tuple[Ids, Floats] = (np.zeros(0, np.int64), np.zeros(0))

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
            self.met(known, prompt)
        return known

    def met(self, item: int, prompt: str) -> None:
        """Called when item `item` is first requested, with its prompt's text."""

    def plan(self, slot: SlotRecord) -> CacheUpdate:
        self.learn_slot(slot.accesses, slot.slot)
        return self.keep_best(slot.available, slot.slot)

    def learn_slot(self, accesses: tuple[Access, ...], slot: int) -> None:
        """Count a slot's accesses and observe them."""
        count: dict[int, int] = {}
        for access in accesses:
            item = self.number(access.prompt_key, access.prompt)
            count[item] = count.get(item, 0) + 1
        self.observe(
            np.fromiter(count, np.int64, len(count)),
            np.fromiter(count.values(), np.int64, len(count)),
            slot,
        )

    def keep_best(self, available: CacheSnapshot, slot: int) -> CacheUpdate:
        """The update that brings the store to the best content within the capacity."""
        store = available.store
        unchanged = len(store) == len(self._left) and all(map(is_, store, self._left))
        if not unchanged:
            self._left_rows = self._rows(store)
        ids, size = self._left_rows
        fresh = list({h.prompt_key: h for h in available.staging}.values())
        new, nbytes = self._rows(fresh)
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
        self._left = list(compress(every, chosen.tolist()))
        self._left_rows = (ids[chosen], size[chosen])
        first = len(store)
        admit = tuple(
            (every[i].prompt_key, every[i].step)
            for i in (first + np.flatnonzero(chosen[first:])).tolist()
        )
        return CacheUpdate(
            admit, tuple(every[i].prompt_key for i in np.flatnonzero(~chosen[:first]).tolist())
        )

    def _rows(self, held: Sequence[CachedOutput]) -> tuple[Ids, Floats]:
        """Numbers and bytes of outputs, shapes (n,). `number` is called for new items only: there
        may be thousands."""
        ids = np.array([self._numbers.get(h.prompt_key, -1) for h in held], np.int64)
        for i in np.flatnonzero(ids < 0).tolist():
            ids[i] = self.number(held[i].prompt_key, held[i].prompt)
        return ids, np.array([h.nbytes for h in held], np.float64)


def fits(size: Floats, capacity: float) -> NDArray[np.bool_]:
    """Which of the items, taken in this order, fit: one that does not is passed over. Shapes (n,)
    -> (n,)."""
    total = np.cumsum(size)
    chosen = np.asarray(total <= capacity)
    if chosen.all() or size.min() == size.max():
        return chosen
    used = 0.0
    for i, nbytes in enumerate(size):
        chosen[i] = used + nbytes <= capacity
        used += nbytes * chosen[i]
    return chosen
