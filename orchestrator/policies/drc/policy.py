"""DRC: a network proposes, order-preserving quantisation lists, an exact critic chooses (Algorithm
1 of the paper).

Two changes make it work (docs/model.md): the network says *which* prompts, one output each, and the
critic fills in the best step in closed form; the candidates cover all prefix lengths at first. Two
more make it work where capacity is tight (docs/policies.md has the figures): beside the network's
own ranking stand the demand's and noisy ones, after LyDROO (Bi et al. 2021), because the prefixes
of one ranking can never show it a better one; and the network starts from the demand.

`reference.py` is the same algorithm for one lane, written to be read beside Algorithm 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from orchestrator.decision.problem import Problem
from orchestrator.decision.slots import Choice, PricedSlots
from orchestrator.policies.base import LearnerStats, policy
from orchestrator.policies.kinds.network_planner import NetworkPlanner

__all__ = ["INTERVAL", "NOISE", "RANKINGS", "Drc"]

INTERVAL = 10  # slots between two training steps
RANKINGS = 24  # beside the network's own: the demand's, then each from the best so far
NOISE = 0.8  # standard deviation of their noise, as a share of the logits' own


@policy("drc")
class Drc(NetworkPlanner):
    """Runs Algorithm 1 in B lanes; lines are the paper's. `channel` false: the network has
    zeros in place of the users' rates and speeds, to measure what those are worth."""

    rankings = RANKINGS
    noise = NOISE
    from_demand = True  # whether the network starts from the demand

    def __init__(self, channel: bool = True) -> None:
        super().__init__()
        self.channel = channel

    def open(self, problems: Sequence[Problem], seeds: Sequence[int]) -> None:
        # torch and numba: loaded where they are used
        from orchestrator.policies.drc.actor import Actor

        self.actor = Actor(problems, seeds, self.from_demand)  # line 1
        self.slots = 0

    def decide(self, slots: PricedSlots) -> Choice:
        if not self.channel:
            slots = replace(slots, channel=np.zeros_like(slots.channel), speed=None)
        state = self.actor.state(slots)  # (35)
        relaxed = self.actor.network.relax(state)  # line 4
        # lines 5 to 9: (36), (37), (33)
        choice = self.actor.choose(relaxed, slots, self.rankings, self.noise)
        self.actor.memory.add(state, self.actor.labels(choice))  # line 10
        self.slots += 1
        return choice

    def learn(self) -> LearnerStats | None:
        if self.slots % INTERVAL or not self.actor.ready:  # line 11
            return None
        loss = self.actor.train()  # lines 12, 13: (38)
        return LearnerStats(loss, round(float(self.actor.k.mean())), self.actor.network.updates)
