"""Links go down."""

from __future__ import annotations

from typing import Literal

from midstep.events.changes import DeviceChange
from midstep.events.devices import DeviceEvent

__all__ = ["DropEvent"]


class DropEvent(DeviceEvent):
    """Links are down: a frame that is on the air waits, and so does a device that wants to ask,
    each for `deadline_s` at most."""

    kind: Literal["drop"] = "drop"
    """Kind of the event."""

    def change(self) -> DeviceChange:
        return DeviceChange(down=True)

    def words(self) -> str:
        return "no link"
