"""No-cache local denoising computation: every step on the device, nothing is kept (the paper's
third rival)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from orchestrator.decision.problem import Problem
from orchestrator.decision.slots import Choice, PricedSlots
from orchestrator.policies.base import policy
from orchestrator.policies.kinds.price_planner import PricePlanner

__all__ = ["AllLocal"]


@policy("ncldc")
class AllLocal(PricePlanner):
    """Keeps nothing; in `coupled` mode that means that nothing is computed on the edge either
    (34)."""

    needs = frozenset({"closed", "coupled"})

    def open(self, problems: Sequence[Problem], seeds: Sequence[int]) -> None:
        pass

    def decide(self, slots: PricedSlots) -> Choice:
        return np.zeros_like(slots.cached)
