"""Least frequently used, with in-cache counts (forgotten on eviction); ties go to the least
recently used."""

from __future__ import annotations

from orchestrator.policies.base import policy
from orchestrator.policies.kinds.priority_rule import PriorityRule

__all__ = ["Lfu"]


@policy("lfu")
class Lfu(PriorityRule):
    """Keeps what was asked for most often since it came in."""

    def weight(self, key: str) -> float:
        return self.count[key]
