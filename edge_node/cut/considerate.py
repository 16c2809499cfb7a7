"""The considerate cut: the request's own response, and the delay that it causes to the others."""

from __future__ import annotations

from edge_node.cut.base import CutRule, Situation
from edge_node.cut.response import cheapest, others_step_s

__all__ = ["Considerate"]


class Considerate(CutRule):
    """`fastest`, each step to be computed counting what it delays the others by."""

    def cut(self, situation: Situation) -> int:
        return cheapest(situation, others_step_s(situation))
