"""Links become slower."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from midstep.events.changes import DeviceChange
from midstep.events.devices import DeviceEvent

__all__ = ["FadeEvent"]


class FadeEvent(DeviceEvent):
    """Links keep a `factor` of their rate R_n: behind a wall, in the rain. A frame that is on the
    air goes on at what is left."""

    kind: Literal["fade"] = "fade"
    """Kind of the event."""
    factor: float = Field(ge=1e-3, lt=1)
    """What is left of the rate, such as 0.1; no less than 0.001 (a link that is down is a drop)."""

    def change(self) -> DeviceChange:
        return DeviceChange(rate_factor=self.factor)

    def words(self) -> str:
        return f"{self.factor:g} of the link's rate is left"
