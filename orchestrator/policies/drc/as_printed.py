"""Algorithm 1 as printed: one output for every prompt *and* step, candidates over all of them.

Kept because the comparison is instructive: order-preserving quantisation ranks entries but never
chooses the step within a prompt again, so the random first step is imitated for ever, and all K
candidates are prefixes of one ranking.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from orchestrator.decision.problem import Problem
from orchestrator.decision.slots import Choice, PricedSlots
from orchestrator.policies.base import LearnerStats, policy
from orchestrator.policies.drc.policy import INTERVAL
from orchestrator.policies.kinds.network_planner import NetworkPlanner

__all__ = ["FIRST_K", "DrcAsPrinted"]

FIRST_K = 32


@policy("drc-paper")
class DrcAsPrinted(NetworkPlanner):
    """R (S* - 1) outputs; where (11) is broken, a prompt's highest entry counts."""

    def open(self, problems: Sequence[Problem], seeds: Sequence[int]) -> None:
        # torch and numba: loaded where they are used
        from orchestrator.policies.drc.actor import StepActor

        self.actor = StepActor(problems, seeds, FIRST_K)
        self.slots = 0

    def decide(self, slots: PricedSlots) -> Choice:
        state = self.actor.state(slots)
        choice = self.actor.choose(self.actor.network.relax(state), slots)
        self.actor.memory.add(state, self.actor.labels(choice))
        self.slots += 1
        return choice

    def learn(self) -> LearnerStats | None:
        if self.slots % INTERVAL or not self.actor.ready:
            return None
        return LearnerStats(
            self.actor.train(), round(float(np.mean(self.actor.k))), self.actor.network.updates
        )
