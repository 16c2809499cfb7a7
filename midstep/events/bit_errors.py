"""Bits come wrong over the air."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from midstep.events.changes import DeviceChange
from midstep.events.devices import DeviceEvent

__all__ = ["BitErrorsEvent"]


class BitErrorsEvent(DeviceEvent):
    """Bits of frames come wrong at a `rate`, each for itself. A frame's checksum finds it, and the
    frame is sent again; the time and the energy count."""

    kind: Literal["bit_errors"] = "bit_errors"
    """Kind of the event."""
    rate: float = Field(gt=0, le=0.01)
    """Probability that a bit comes wrong, such as 1e-7."""

    def change(self) -> DeviceChange:
        return DeviceChange(bit_error_rate=self.rate)

    def words(self) -> str:
        return f"{self.rate:g} of all bits come wrong"
