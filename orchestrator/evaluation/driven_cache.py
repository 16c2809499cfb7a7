"""A policy in charge of a modelled cache: in simulations and replays what the learner is to a live
edge."""

from __future__ import annotations

from midstep.wire.messages_control import Access, CacheUpdate
from orchestrator.decision.cache_model import CacheModel, is_whole
from orchestrator.policies.base import Policy, SlotRecord
from orchestrator.policies.kinds.driver import drive

__all__ = ["DrivenCache"]


class DrivenCache:
    """Shows a policy, which has been reset, its accesses and slots, and applies its updates. What
    was computed has to be staged in `cache` before the policy may keep it."""

    def __init__(self, policy: Policy, capacity: int) -> None:
        self.driver = drive(policy)
        self.cache = CacheModel(capacity)

    def access(self, access: Access) -> CacheUpdate:
        """A request was served; what the policy changed then."""
        update = self.driver.access(access)
        if update:
            self.apply(update)
        return update

    def end_slot(self, slot: SlotRecord) -> None:
        """A slot has ended."""
        update = self.driver.end_slot(slot)
        if update:
            self.apply(update)

    def apply(self, update: CacheUpdate) -> None:
        """Carry an update out, as far as it can be."""
        result = self.cache.apply(update)
        if not is_whole(update, result, self.cache.several):
            self.refused(update)

    def refused(self, update: CacheUpdate) -> None:
        """A part of the update could not be carried out: the policy learns what is really held."""
        self.driver.policy.reconcile(tuple(self.cache.held.values()))
