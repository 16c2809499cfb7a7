"""`drc-item` where a slot's prices are known: the labels are exact P2's, the score is of a prompt's
own price tags."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.decision.problem import Problem
from orchestrator.decision.slots import Choice, PricedSlots
from orchestrator.policies.base import LearnerStats
from orchestrator.policies.greedy import Greedy
from orchestrator.policies.kinds.network_planner import NetworkPlanner

__all__ = ["ReactiveDrcItem"]

INTERVAL = 5  # slots between two training steps


class ReactiveDrcItem(NetworkPlanner):
    """One small network for all prompts of a lane; its size does not know R. The best prefix of its
    ranking is kept."""

    def open(self, problems: Sequence[Problem], seeds: Sequence[int]) -> None:
        # torch and numba: loaded where they are used
        from orchestrator.policies.drc_item.reactive_actor import ItemActor

        self.actor = ItemActor(seeds)
        self.teacher = Greedy()
        self.slots = 0

    def decide(self, slots: PricedSlots) -> Choice:
        features = self.actor.features(slots)
        choice = self.actor.choose(self.actor.score(features), slots)
        self.slots += 1
        if self.slots % INTERVAL == 0:
            self.actor.remember(features, slots.weight, self.teacher.decide(slots))
        return choice

    def learn(self) -> LearnerStats | None:
        if self.slots % INTERVAL or not self.actor.ready:
            return None
        return LearnerStats(self.actor.train(), 0, self.actor.network.updates)
