"""The floor: whoever chance points at leaves."""

from __future__ import annotations

import random

from orchestrator.decision.problem import Problem
from orchestrator.policies.base import policy
from orchestrator.policies.kinds.eviction_rule import Rule

__all__ = ["Random"]


@policy("random")
class Random(Rule):
    """Evicts uniformly from what is held; the run's seed decides."""

    def reset(self, problem: Problem, seed: int) -> None:
        super().reset(problem, seed)
        self._random = random.Random(seed)
        self._keys: list[str] = []
        self._place: dict[str, int] = {}

    def victim(self) -> str:
        return self._keys[int(self._random.random() * len(self._keys))]

    def admitted(self, key: str) -> None:
        self._place[key] = len(self._keys)
        self._keys.append(key)

    def dropped(self, key: str) -> None:
        place = self._place.pop(key)
        last = self._keys.pop()
        if last != key:  # the last one takes the free place
            self._keys[place] = last
            self._place[last] = place
