"""Online-optimal caching (52): the least L(t) under L_avg <= Lhat in every slot (the paper's first
rival)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from orchestrator.decision.problem import Problem
from orchestrator.decision.slots import Choice, PricedSlots
from orchestrator.policies.base import policy
from orchestrator.policies.kinds.price_planner import PricePlanner

__all__ = ["OnlineOptimal"]


@policy("oo")
class OnlineOptimal(PricePlanner):
    """No queue: the long-term limit (16) is kept in each slot; where it cannot be, L_avg is as low
    as can be."""

    def open(self, problems: Sequence[Problem], seeds: Sequence[int]) -> None:
        pass

    def decide(self, slots: PricedSlots) -> Choice:
        from orchestrator.decision.exact import solve_oo_lanes  # numba: loaded where it is used

        choice = np.zeros_like(slots.cached)
        solve_oo_lanes(slots.prices, choice)
        return choice
