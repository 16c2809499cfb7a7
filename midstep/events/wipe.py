"""A store that loses all that it holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from midstep.events.base import Event
from midstep.events.changes import EdgeChange
from midstep.events.run import FaultyRun

if TYPE_CHECKING:
    import numpy as np

__all__ = ["WipeEvent"]


class WipeEvent(Event):
    """Empty an edge's store, its disk tier and its staging; what is in flight goes on. The policy
    is told."""

    kind: Literal["wipe"] = "wipe"
    """Kind of the event."""
    edge: str | None = None
    """Name of the edge; null: every edge."""

    async def apply(self, run: FaultyRun, rng: np.random.Generator) -> str:
        left = await run.change_edge(EdgeChange(wipe=True), self.edge)
        return f"{left} outputs lost at {run.called(self.edge)}"
