"""Users move."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from midstep.events.changes import DeviceChange
from midstep.events.devices import DeviceEvent
from midstep.events.gains import read_gains
from midstep.tree import Seconds

__all__ = ["MoveEvent"]


class MoveEvent(DeviceEvent):
    """Users move: to `to_m` metres from their edge within `over_s`, on a straight line from where
    they are, where they stay; or as a file of channel gains says, `path`, after which, or after
    `for_s`, their place says their gain again."""

    kind: Literal["move"] = "move"
    """Kind of the event."""
    to_m: float | None = Field(None, gt=0, le=1e6)
    """Distance from the edge, metres; null: `path` says the gains."""
    over_s: Seconds = 0.0
    """How long they take to get there, seconds; 0: they are there at once."""
    path: str | None = Field(None, min_length=1)
    """CSV file of the gains, with the columns at_s (seconds from when the event comes, the first is
    0) and gain (g of (6), a factor of power, which takes the place of path loss and fading until
    the next row)."""

    @model_validator(mode="after")
    def _one_way(self) -> MoveEvent:
        if (self.to_m is None) == (self.path is None):
            raise ValueError("a move says where to: write to_m or path, one of them")
        if self.path is not None and self.over_s:
            raise ValueError("over_s: the file says when; leave it out, or give to_m")
        if self.to_m is not None and self.for_s is not None:
            raise ValueError("for_s: who has moved stays there; leave it out, or move back later")
        return self

    def change(self) -> DeviceChange:
        if self.path is not None:
            return DeviceChange(gains=read_gains(self.path))
        return DeviceChange(distance_m=self.to_m, over_s=self.over_s)

    def words(self) -> str:
        if self.path is not None:
            return f"the gains of {self.path[-60:]}"
        within = f" within {self.over_s:g} s" if self.over_s else ""
        return f"{self.to_m:g} m from the edge{within}"

    def check(self) -> None:
        self.change()
