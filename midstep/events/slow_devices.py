"""Devices become slower."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from midstep.events.changes import DeviceChange
from midstep.events.devices import DeviceEvent

__all__ = ["SlowDevicesEvent"]


class SlowDevicesEvent(DeviceEvent):
    """Devices take a `factor` of the time for a step: too warm, or busy with something else. A
    picture that is being drawn goes on at the new speed."""

    kind: Literal["slow_devices"] = "slow_devices"
    """Kind of the event."""
    factor: float = Field(gt=1, le=1000)
    """How many times as long a step takes."""

    def change(self) -> DeviceChange:
        return DeviceChange(speed_factor=1 / self.factor)

    def words(self) -> str:
        return f"a step takes {self.factor:g} times as long"
