"""Users are handed over to another edge."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from pydantic import Field, PrivateAttr, model_validator

from midstep.errors import ScenarioError
from midstep.events.base import Event
from midstep.events.run import FaultyRun
from midstep.tree import MOST_USERS

if TYPE_CHECKING:
    import numpy as np

__all__ = ["HandOverEvent"]


class HandOverEvent(Event):
    """Let `users` devices, or a `share` of them, ask `edge` from then on: of the whole run, of one
    `class`, of those that ask `from_edge`, drawn from the seed. Their requests go on as they were;
    what has been sent ends where it was sent. After `for_s` each asks its former edge again."""

    kind: Literal["hand_over"] = "hand_over"
    """Kind of the event."""
    edge: str
    """Name of the edge that they ask from then on."""
    from_edge: str | None = None
    """Name of the edge that they ask before; null: any."""
    of_class: str | None = Field(None, alias="class")
    """Name of the class of devices, `devices.N.class`; null: all classes."""
    users: int | None = Field(None, ge=1, le=MOST_USERS)
    """How many, or as many as there are; null: by share."""
    share: float | None = Field(None, gt=0, le=1)
    """Share of them, rounded up; null: by users, and all where neither is said."""

    _former: dict[int, str] = PrivateAttr(default_factory=dict)

    @model_validator(mode="after")
    def _one_number(self) -> HandOverEvent:
        if self.users is not None and self.share is not None:
            raise ValueError("give users or share, not both")
        if self.from_edge == self.edge:
            raise ValueError(f"from_edge: who asks {self.edge[:60]} is there; name another edge")
        return self

    async def apply(self, run: FaultyRun, rng: np.random.Generator) -> str:
        asking = run.asking(self.of_class, self.from_edge)
        elsewhere = sorted(user for user, edge in asking.items() if edge != self.edge)
        if not elsewhere:
            raise ScenarioError(f"nobody asks another edge than {self.edge}")
        number = len(elsewhere)
        if self.users is not None:
            number = min(number, self.users)
        elif self.share is not None:
            number = math.ceil(self.share * number)
        chosen = sorted(rng.choice(elsewhere, number, replace=False).tolist())
        self._former = {user: asking[user] for user in chosen}
        moved = await run.hand_over(chosen, self.edge)
        return f"{moved} users to {self.edge}"

    async def undo(self, run: FaultyRun) -> str:
        still = run.asking(None, self.edge)
        number = 0
        for edge in dict.fromkeys(self._former.values()):
            users = [user for user, former in self._former.items() if former == edge]
            number += await run.hand_over([user for user in users if user in still], edge)
        return f"{number} users ask their former edges again"
