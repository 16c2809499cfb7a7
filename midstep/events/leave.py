"""A class of devices leaves, and returns."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from midstep.events.base import Event
from midstep.events.run import FaultyRun

if TYPE_CHECKING:
    import numpy as np

__all__ = ["LeaveEvent"]


class LeaveEvent(Event):
    """Let a `share` of the devices of a `class` leave, of the run or of one `edge`: those that came
    last. They finish what they have asked for. After `for_s` the same devices are back, under new
    numbers: none is used twice."""

    moves_users: ClassVar[bool] = True

    kind: Literal["leave"] = "leave"
    """Kind of the event."""
    of_class: str = Field(alias="class")
    """Name of the class of devices, `devices.N.class`."""
    share: float = Field(1.0, gt=0, le=1)
    """Share of its devices that leave, rounded up."""
    edge: str | None = None
    """Name of the edge whose devices leave; null: of the whole run."""

    async def apply(self, run: FaultyRun, rng: np.random.Generator) -> str:
        number = await run.leave(self.of_class, self.share, self.edge)
        return f"{number} x {self.of_class} leave, {run.users()} users stay"

    async def undo(self, run: FaultyRun) -> str:
        number = await run.come_back(self.of_class, self.edge)
        return f"{number} x {self.of_class} are back, {run.users()} users"
