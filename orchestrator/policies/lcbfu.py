"""Least computationally beneficial and frequently used: NIRVANA's rule (Agarwal et al., NSDI
2024)."""

from __future__ import annotations

from orchestrator.policies.base import policy
from orchestrator.policies.kinds.priority_rule import PriorityRule

__all__ = ["Lcbfu"]


@policy("lcbfu")
class Lcbfu(PriorityRule):
    """Keeps what saved most denoising steps: frequency, counted since it came in, x steps that a
    hit saves."""

    def weight(self, key: str) -> float:
        return self.count[key] * self.steps[key]
