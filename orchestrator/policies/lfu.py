"""Least frequently used, with in-cache counts (forgotten on eviction); ties go to the least recently used."""

from __future__ import annotations

from collections import Counter

from orchestrator.policies.base import policy
from orchestrator.policies.rule import Rule
from orchestrator.problem import Problem


@policy("lfu")
class Lfu(Rule):
    """Keeps what was asked for most often since it came in."""

    def reset(self, problem: Problem, seed: int) -> None:
        super().reset(problem, seed)
        self.count: Counter[str] = Counter()

    def victim(self) -> str:
        return min(self.held, key=self.count.__getitem__)  # min keeps the first of equals: the least recent

    def touched(self, key: str) -> None:
        self.count[key] += 1

    def dropped(self, key: str) -> None:
        del self.count[key]
