"""Greedy dual, size, frequency (Cherkasova 1998): steps saved per byte, and a clock by which old
merit ages."""

from __future__ import annotations

from orchestrator.decision.problem import Problem
from orchestrator.policies.base import policy
from orchestrator.policies.kinds.priority_rule import PriorityRule

__all__ = ["Gdsf"]


@policy("gdsf")
class Gdsf(PriorityRule):
    """Priority = clock + frequency x steps saved / bytes; the clock is the last victim's
    priority."""

    def reset(self, problem: Problem, seed: int) -> None:
        super().reset(problem, seed)
        self.clock = 0.0

    def weight(self, key: str) -> float:
        return self.clock + self.count[key] * self.steps[key] / self.held[key]

    def victim(self) -> str:
        key = super().victim()
        self.clock = self.rank[key][0]
        return key
