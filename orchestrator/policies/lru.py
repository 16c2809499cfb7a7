"""Least recently used: what was not asked for longest leaves first."""

from __future__ import annotations

from orchestrator.policies.base import policy
from orchestrator.policies.kinds.eviction_rule import Rule

__all__ = ["Lru"]


@policy("lru")
class Lru(Rule):
    """Keeps what was asked for last."""

    def victim(self) -> str:
        return next(iter(self.held))
