"""DRC: a network proposes, order-preserving quantisation lists, an exact critic chooses (Algorithm
1 of the paper).

Two changes make it work (docs/model.md): the network says *which* prompts, one output each, and the
critic fills in the best step in closed form; the candidates cover all prefix lengths at first. Two
more make it work where capacity is tight (docs/policies.md has the figures): beside the network's
own ranking stand the demand's and noisy ones, after LyDROO (Bi et al. 2021), because the prefixes
of one ranking can never show it a better one; and the network starts from the demand.
"""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.decision.problem import Problem
from orchestrator.decision.slots import Choice, PricedSlots
from orchestrator.policies.base import LearnerStats, policy
from orchestrator.policies.kinds.network_planner import NetworkPlanner

INTERVAL = 10  # slots between two training steps
NOISY = 24  # rankings beside the network's own, each from the best so far
NOISE = 0.8  # their standard deviation, as a share of the ranking's own


@policy("drc")
class Drc(NetworkPlanner):
    """Algorithm 1, in B lanes."""

    noisy = NOISY
    noise = NOISE
    from_demand = True  # whether the network starts from the demand

    def open(self, problems: Sequence[Problem], seeds: Sequence[int]) -> None:
        from orchestrator.policies.drc.actor import (
            Actor,
        )  # torch and numba: loaded where they are used

        self.actor = Actor(problems, seeds, self.from_demand)  # line 1
        self.slots = 0

    def decide(self, slots: PricedSlots) -> Choice:
        state = self.actor.state(slots)  # (35)
        relaxed = self.actor.network.relax(state)  # line 4
        # lines 5 to 9: (36), (37), (33)
        choice = self.actor.best(relaxed, slots, self.noisy, self.noise)
        self.actor.memory.add(state, self.actor.labels(choice))  # line 10
        self.slots += 1
        return choice

    def learn(self) -> LearnerStats | None:
        if self.slots % INTERVAL or not self.actor.ready:  # line 11
            return None
        loss = self.actor.train()  # lines 12, 13: (38)
        return LearnerStats(loss, round(float(self.actor.k.mean())), self.actor.network.updates)
