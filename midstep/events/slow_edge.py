"""An edge that computes more slowly for a while, as one that is hot or shares its machine does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from midstep.events.base import Event
from midstep.events.changes import EdgeChange
from midstep.events.run import FaultyRun

if TYPE_CHECKING:
    import numpy as np

__all__ = ["SlowEdgeEvent"]


class SlowEdgeEvent(Event):
    """Let an edge's ticks take `factor` times as long: it waits the rest. Its cut rule and its
    policy still know the profile's times alone. Of an edge the last one of these counts."""

    kind: Literal["slow_edge"] = "slow_edge"
    """Kind of the event."""
    factor: float = Field(gt=1, le=1000)
    """How many times as long a tick takes."""
    edge: str | None = None
    """Name of the edge; null: every edge."""

    async def apply(self, run: FaultyRun, rng: np.random.Generator) -> str:
        await run.change_edge(EdgeChange(speed_factor=1 / self.factor), self.edge)
        return f"{self.factor:g} times as long a tick at {run.called(self.edge)}"

    async def undo(self, run: FaultyRun) -> str:
        await run.change_edge(EdgeChange(speed_factor=1.0), self.edge)
        return f"ticks as before at {run.called(self.edge)}"
