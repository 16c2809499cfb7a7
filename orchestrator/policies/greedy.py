"""Exact P2 (33) in every slot: what a learner that decides by P2 can reach at best."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from orchestrator.decision.problem import Problem
from orchestrator.decision.slots import Choice, PricedSlots
from orchestrator.policies.base import policy
from orchestrator.policies.kinds.price_planner import PricePlanner

__all__ = ["Greedy"]


@policy("greedy")
class Greedy(PricePlanner):
    """Solves the multiple-choice knapsack of each slot."""

    def open(self, problems: Sequence[Problem], seeds: Sequence[int]) -> None:
        pass

    def decide(self, slots: PricedSlots) -> Choice:
        from orchestrator.decision.exact import solve_lanes  # numba: loaded where it is used

        choice = np.zeros_like(slots.cached)
        solve_lanes(slots.prices, choice, np.empty(len(choice)))
        return choice
