"""More users for a while, as when a match ends or a train comes in."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field, PrivateAttr, model_validator

from midstep.events.base import Event
from midstep.events.run import FaultyRun
from midstep.tree import MOST_USERS

if TYPE_CHECKING:
    import numpy as np

__all__ = ["SurgeEvent"]


class SurgeEvent(Event):
    """More `users`, or `factor` times as many, of the run or of one `edge`; after `for_s` as many
    leave as came."""

    moves_users: ClassVar[bool] = True

    kind: Literal["surge"] = "surge"
    """Kind of the event."""
    users: int | None = Field(None, ge=1, le=MOST_USERS)
    """Devices that come, of the run or of one `edge`; null: `factor` says how many."""
    factor: float | None = Field(None, gt=1, le=1000)
    """How many times as many devices there are then; null: `users` says how many."""
    edge: str | None = None
    """Name of the edge whose devices change; null: of the whole run."""

    _newcomers: int = PrivateAttr(0)

    @model_validator(mode="after")
    def _says_how_many(self) -> SurgeEvent:
        if (self.users is None) == (self.factor is None):
            raise ValueError("a surge says how many come: write users or factor, one of them")
        return self

    async def apply(self, run: FaultyRun, rng: np.random.Generator) -> str:
        present = run.users(self.edge)
        before = run.users()
        target = present + (self.users or 0)
        if self.factor is not None:
            target = round(present * self.factor)
        after = await run.scale(target, self.edge)
        self._newcomers = run.users(self.edge) - present
        return f"from {before} to {after} users"

    async def undo(self, run: FaultyRun) -> str:
        before = run.users()
        after = await run.scale(max(0, run.users(self.edge) - self._newcomers), self.edge)
        return f"from {before} to {after} users"

    def most_users(self, before: int) -> int:
        return before + (self.users or 0) if self.factor is None else round(before * self.factor)
