"""What is left of a request that has ended, and what its edge wants to know of the picture."""

from __future__ import annotations

from dataclasses import dataclass

from midstep.telemetry.record import RequestRow
from midstep.wire.frame import Frame
from midstep.wire.messages import EdgePort, Quality
from midstep.wire.start import Start

__all__ = ["Finished", "PictureCheck"]


@dataclass(frozen=True)
class PictureCheck:
    """What a QualitySample of a picture will be about, where the edge asked for one."""

    kind: str
    step: int
    quality: Quality


@dataclass(frozen=True)
class Finished:
    """An ended request: its row, and of a finished one the picture (PNG) and the frame as it was
    received, None where the device made the whole picture; the check that the edge, at `port`,
    asked for; and the picture that it began from, None: from noise alone."""

    row: RequestRow
    picture: bytes | None = None
    frame: Frame | None = None
    check: PictureCheck | None = None
    port: EdgePort | None = None
    start: Start | None = None
