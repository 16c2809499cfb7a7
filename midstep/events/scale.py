"""Users come or go, by number: what `midstep scale` does by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from midstep.events.base import Event
from midstep.events.run import FaultyRun
from midstep.tree import MOST_USERS

if TYPE_CHECKING:
    import numpy as np

__all__ = ["ScaleEvent"]


class ScaleEvent(Event):
    """Let the run (or one `edge`) have `users` devices: what `midstep scale` does by hand."""

    moves_users: ClassVar[bool] = True

    kind: Literal["scale"] = "scale"
    """Kind of the event."""
    users: int = Field(ge=0, le=MOST_USERS)
    """Devices from then on, of the run or of one `edge`."""
    edge: str | None = None
    """Name of the edge whose devices change; null: of the whole run."""

    async def apply(self, run: FaultyRun, rng: np.random.Generator) -> str:
        before = run.users()
        after = await run.scale(self.users, self.edge)
        return f"from {before} to {after} users"

    def most_users(self, before: int) -> int:
        return before if self.edge is not None else max(before, self.users)
