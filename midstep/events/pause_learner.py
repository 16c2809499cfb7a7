"""A learner that does nothing for a while."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from midstep.events.base import Event
from midstep.events.run import FaultyRun
from midstep.tree import Seconds

if TYPE_CHECKING:
    import numpy as np

__all__ = ["PauseLearnerEvent"]


class PauseLearnerEvent(Event):
    """Let the learner of an edge neither follow, nor plan, nor train for a while: the edge goes on
    with the last plan, and no slot waits. It then catches up with what was asked for meanwhile."""

    kind: Literal["pause_learner"] = "pause_learner"
    """Kind of the event."""
    seconds: Seconds = Field(gt=0)
    """How long, seconds."""
    edge: str | None = None
    """Name of its edge; null: every learner."""

    async def apply(self, run: FaultyRun, rng: np.random.Generator) -> str:
        await run.pause_learner(self.edge, self.seconds)
        return f"for {self.seconds:g} s at {run.called(self.edge)}"
