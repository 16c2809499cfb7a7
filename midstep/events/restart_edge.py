"""An edge that goes and comes back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from midstep.events.base import Event
from midstep.events.run import FaultyRun
from midstep.tree import Seconds

if TYPE_CHECKING:
    import numpy as np

__all__ = ["RestartEdgeEvent"]


class RestartEdgeEvent(Event):
    """End an edge and start it again: what waits or is in flight there fails, and its devices find
    nobody until it serves again.

    In one process (virtual time, too) the restart is modelled, and it takes `down_s`. Otherwise a
    process ends and another one takes its place at the same address, which lasts as long as it
    takes, and `down_s` at least. A `warm` edge that has a disk tier (edges.N.disk) finds there all
    that it held, which is written first; without one a process finds nothing, and a modelled edge
    keeps what memory held.
    """

    kind: Literal["restart_edge"] = "restart_edge"
    """Kind of the event."""
    store: Literal["cold", "warm"] = "cold"
    """What it holds when it is back: nothing (`cold`), or what it kept (`warm`)."""
    down_s: Seconds = 1.0
    """How long nobody answers, seconds; a process takes longer where its start does."""
    edge: str | None = None
    """Name of the edge; null: every edge."""

    async def apply(self, run: FaultyRun, rng: np.random.Generator) -> str:
        store = await run.restart_edge(self.edge, self.store, self.down_s)
        return f"{run.called(self.edge)}, with {store}; down for {self.down_s:g} s"
