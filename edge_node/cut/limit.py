"""A cut at the reuse limit: the edge does all that the request can take."""

from __future__ import annotations

from edge_node.cut.base import CutRule, Situation

__all__ = ["AtLimit"]


class AtLimit(CutRule):
    """Cuts every request at its reuse limit."""

    def cut(self, situation: Situation) -> int:
        return situation.limit
