"""Drivers show a policy its accesses and slots: one for each kind of policy, the same in live runs,
in the simulator and in the replay.

A driver knows the policy, not the cache. The owner of a cache (the learner, for the edge behind its
port; a `CacheModel` in simulations) shows the driver each access and each slot's end, and applies
the update that it returns. The simulator and the replay have faster paths without a driver (arrays
of lanes, a set of keys); tests hold each equal to the driver.
"""

from __future__ import annotations

from dataclasses import replace

from midstep.wire.messages_control import Access, CacheUpdate
from orchestrator.policies.base import Kind, LearnerStats, Policy, SlotRecord

__all__ = ["Driver", "PlannerDriver", "RuleDriver", "drive"]

NOTHING = CacheUpdate()


class Driver:
    """Drives one policy, which has been reset. `acts`: accesses are worth showing one by one, as
    they happen; `learns`: a slot may be followed by a step of training."""

    acts: bool

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.learns = policy.learns

    def access(self, access: Access) -> CacheUpdate:
        """Changes that one request brings. Raises what the policy raises, TypeError for an answer
        that is no CacheUpdate."""
        return NOTHING

    def end_slot(self, slot: SlotRecord) -> CacheUpdate:
        """Changes that a slot's end brings. Raises as `access` does."""
        return NOTHING

    def learn(self) -> LearnerStats | None:
        """One step of training; None where none was due."""
        return self.policy.learn() if self.learns else None


class RuleDriver(Driver):
    """Drives an eviction rule, which acts on each access and ignores the end of a slot."""

    acts = True

    def access(self, access: Access) -> CacheUpdate:
        return checked(self.policy.on_access(donors_own(access)))


def donors_own(access: Access) -> Access:
    """An access as rules see it: what another prompt's output served is a use of that one, at its
    own step. What was made of it can not be kept; it can itself, where it is staged."""
    if not access.donor_key:
        return access
    step = access.reused_step
    return replace(access, prompt_key=access.donor_key, step=step, reuse="similar", limit=0)


class PlannerDriver(Driver):
    """Drives a planner, which sees a whole slot when it ends."""

    acts = False

    def end_slot(self, slot: SlotRecord) -> CacheUpdate:
        return checked(self.policy.plan(slot))


DRIVERS: dict[Kind, type[Driver]] = {
    Kind.RULE: RuleDriver,
    Kind.SCORE_PLANNER: PlannerDriver,
    Kind.PRICE_PLANNER: PlannerDriver,
    Kind.PLANNER: PlannerDriver,
}


def drive(policy: Policy) -> Driver:
    """The driver of a policy's kind."""
    return DRIVERS[policy.kind](policy)


def checked(update: object) -> CacheUpdate:
    """Check a policy's answer: policies may come from outside the package. Raises TypeError where
    it is no CacheUpdate."""
    if not isinstance(update, CacheUpdate):
        raise TypeError(f"it answered {update!r}, which is no CacheUpdate")
    return update
