"""The DRC network without its critic: trained on exact labels for the first 1,000 slots, then
frozen (the paper's second rival)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from orchestrator.decision.problem import Problem
from orchestrator.decision.slots import Choice, PricedSlots
from orchestrator.policies.base import LearnerStats, policy
from orchestrator.policies.drc.policy import INTERVAL
from orchestrator.policies.greedy import Greedy
from orchestrator.policies.kinds.network_planner import NetworkPlanner

__all__ = ["TRAINED_SLOTS", "Dnn"]

TRAINED_SLOTS = 1_000


@policy("dnn")
class Dnn(NetworkPlanner):
    """Keeps what the network puts above 0.5, the surest first: at the last reusable step, or where
    the plan names steps at each prompt's cheapest."""

    guarded: ClassVar[bool] = True

    def open(self, problems: Sequence[Problem], seeds: Sequence[int]) -> None:
        # torch and numba: loaded where they are used
        from orchestrator.policies.drc.actor import Actor

        self.actor = Actor(problems, seeds)
        self.teacher = Greedy()
        self.slots = 0

    def decide(self, slots: PricedSlots) -> Choice:
        state = self.actor.state(slots)
        wanted = np.where(slots.weight > 0, self.actor.network.relax(state), 0.0)
        if self.slots < TRAINED_SLOTS:
            self.actor.memory.add(state, self.actor.labels(self.teacher.decide(slots)))
        self.slots += 1
        place = np.argsort(np.argsort(-wanted, axis=1, kind="stable"), axis=1)
        keep = (wanted > 0.5) & (place < slots.capacity[:, None])
        step = slots.reusable[:, None]
        if slots.speed is not None:  # each request has its own limit: the last step serves few
            step = 2 + slots.cost_s[:, :, 2:].argmin(axis=2)
        return np.where(keep, step, 0).astype(np.int8)

    def learn(self) -> LearnerStats | None:
        if self.slots > TRAINED_SLOTS or self.slots % INTERVAL or not self.actor.ready:
            return None
        return LearnerStats(self.actor.train(), 1, self.actor.network.updates)
