"""A store that is larger or smaller for a while."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from midstep.events.base import Event
from midstep.events.changes import EdgeChange
from midstep.events.run import FaultyRun
from midstep.tree import Bytes

if TYPE_CHECKING:
    import numpy as np

__all__ = ["CapacityEvent"]


class CapacityEvent(Event):
    """Let an edge's store have another capacity. Where it holds more than that, what was admitted
    first leaves first; the policy is told."""

    kind: Literal["capacity"] = "capacity"
    """Kind of the event."""
    capacity: Bytes
    """Size of the store from then on, bytes."""
    edge: str | None = None
    """Name of the edge; null: every edge."""

    async def apply(self, run: FaultyRun, rng: np.random.Generator) -> str:
        left = await run.change_edge(EdgeChange(capacity=self.capacity), self.edge)
        return f"{self.capacity:,} bytes at {run.called(self.edge)}; {left} outputs left"

    async def undo(self, run: FaultyRun) -> str:
        left = 0
        for edge in await run.names("edge") if self.edge is None else [self.edge]:
            left += await run.change_edge(EdgeChange(capacity=run.capacity(edge)), edge)
        return f"as before at {run.called(self.edge)}; {left} outputs left"
