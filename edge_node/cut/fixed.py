"""A fixed cut: everybody is handed over at the same step."""

from __future__ import annotations

from edge_node.cut.base import CutRule, Situation

__all__ = ["FixedStep"]


class FixedStep(CutRule):
    """Cuts every request at the scenario's `model.split_step`."""

    def cut(self, situation: Situation) -> int:
        return self.split_step
