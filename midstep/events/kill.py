"""A process of the run that is killed for real."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from midstep.errors import ScenarioError
from midstep.events.base import Event
from midstep.events.run import FaultyRun, Part

if TYPE_CHECKING:
    import numpy as np

__all__ = ["KillEvent"]


class KillEvent(Event):
    """Kill a process of the run: an edge (its cell ends), a host (its devices end), a learner
    (another one takes its place), or a node of a Ray cluster (the process of Ray's that all others
    there depend on). A death that was asked for is told, and is no failure of the run. In virtual
    time, and in a run in one process, a learner alone can die."""

    virtual: ClassVar[bool] = False

    kind: Literal["kill"] = "kill"
    """Kind of the event."""
    part: Part
    """What dies."""
    name: str | None = None
    """Which one: an edge's name, that of a learner's edge, `host-3`, or of a node the beginning of
    its id. null: one is drawn from those that live."""
    hard: bool = True
    """Whether it ends at once (SIGKILL), or is asked to (SIGTERM)."""

    def plays_virtually(self) -> bool:
        return self.part == "learner"

    async def apply(self, run: FaultyRun, rng: np.random.Generator) -> str:
        name = self.name
        if name is None:
            names = await run.names(self.part)
            if not names:
                raise ScenarioError(f"there is no {self.part} that could be killed")
            name = names[int(rng.integers(len(names)))]
        return await run.kill(self.part, name, self.hard)
