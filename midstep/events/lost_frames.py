"""Frames are lost on the air."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from midstep.events.changes import DeviceChange
from midstep.events.devices import DeviceEvent

__all__ = ["LostFramesEvent"]


class LostFramesEvent(DeviceEvent):
    """A `share` of the frames is lost on the air, each for itself, and sent again; the time and the
    energy count."""

    kind: Literal["lost_frames"] = "lost_frames"
    """Kind of the event."""
    share: float = Field(gt=0, le=1)
    """Probability that a frame is lost; 1: none comes."""

    def change(self) -> DeviceChange:
        return DeviceChange(frame_loss=self.share)

    def words(self) -> str:
        return f"{self.share:.3g} of the frames are lost"
