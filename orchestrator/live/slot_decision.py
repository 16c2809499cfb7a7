"""A learner's account of a slot: what it decided, and what the ended slot came to."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.decision.problem import SlotCost
from orchestrator.policies import LearnerStats

__all__ = ["Decision"]


@dataclass(frozen=True, kw_only=True)
class Decision:
    """The learner's account of a slot's end. `decision_s` is the policy's own time in the slot,
    on_access included; `stats` are of the training that ended since the slot before, `gap_to_exact`
    is the ended slot's (orchestrator.live.regret)."""

    cost: SlotCost
    queue_s: float
    drift_plus_penalty: float
    admitted: int
    evicted: int
    decision_s: float
    store_bytes: int
    store_entries: int
    stats: LearnerStats | None
    gap_to_exact: float | None
