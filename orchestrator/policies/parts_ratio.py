"""A hand-made rule that is told a prompt's parts: what a learner of structure has to come near
to."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from orchestrator.decision.problem import Problem
from orchestrator.policies.base import policy
from orchestrator.policies.drc_item.part_shares import PartShares
from orchestrator.policies.kinds.score_planner import Floats, Ids, ScorePlanner

__all__ = ["PartsRatio"]

EFOLD_SLOTS = 2.0  # of the parts' shares
SHRINK = 1.0  # requests as expected that are added to an item's actual and expected count


@policy("parts-ratio")
class PartsRatio(ScorePlanner):
    """Score: the product of the decayed shares of an item's parts, times (actual + a) / (expected +
    a) requests."""

    modes: ClassVar[frozenset[str]] = frozenset({"proactive", "access"})
    needs: ClassVar[frozenset[str]] = frozenset({"parts"})

    def __init__(self, efold_slots: float = EFOLD_SLOTS, shrink: float = SHRINK) -> None:
        self.efold_slots = efold_slots
        self.shrink = shrink

    def reset(self, problem: Problem, seed: int) -> None:
        super().reset(problem, seed)
        self._parts = PartShares((self.efold_slots, np.inf))
        self._actual = np.zeros(0)
        self._expected = np.zeros(0)
        self._requests = 0  # of all items, ever

    def met(self, item: int, prompt: str) -> None:
        assert self.problem.parts is not None  # `needs` says so
        self._parts.met(item, self.problem.parts(prompt))

    def observe(self, ids: Ids, counts: Ids, slot: int) -> None:
        if not len(ids):
            return
        self._parts.observe(ids, counts)
        grow = max(0, int(ids.max()) + 1 - len(self._actual))
        self._actual = np.concatenate([self._actual, np.zeros(grow)])
        self._expected = np.concatenate([self._expected, np.zeros(grow)])
        new = ids[self._actual[ids] == 0]
        self._actual[ids] += counts
        requests = int(counts.sum())
        self._requests += requests
        self._expected += requests * self._product(np.arange(len(self._actual)), 0)
        # until now: as their parts had it on the whole
        self._expected[new] = self._requests * self._product(new, 1)

    def scores(self, ids: Ids, slot: int) -> Floats:
        ratio = (self._actual[ids] + self.shrink) / (self._expected[ids] + self.shrink)
        return self._product(ids, 0) * ratio

    def state_dict(self) -> dict[str, Any]:
        return {
            **self.planning_state(),
            "numbers": dict(self._numbers),
            "parts": self._parts.state_dict(),
            "actual": self._actual.copy(),
            "expected": self._expected.copy(),
            "requests": self._requests,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.load_planning_state(state)
        self._numbers = dict(state["numbers"])
        self._parts.load_state_dict(state["parts"])
        self._actual = state["actual"].copy()
        self._expected = state["expected"].copy()
        self._requests = int(state["requests"])

    def _product(self, ids: Ids, decay: int) -> Floats:
        return np.exp(self._parts.log_products(ids)[:, decay].astype(np.float64))
