"""The radio link between edge and device: a frame is held until its bits have passed at R_n(t),
equation (6)."""

from __future__ import annotations

from dataclasses import dataclass

from midstep.clock import Clock
from midstep.radio.fading import DeviceChannel
from midstep.radio.pace import finish


@dataclass(frozen=True)
class Transfer:
    """One frame over the air: bytes, seconds commanded and achieved, and the mean rate commanded
    (bit/s)."""

    nbytes: int
    commanded_s: float
    achieved_s: float

    @property
    def rate_bps(self) -> float:
        return 8 * self.nbytes / self.commanded_s

    @property
    def late_s(self) -> float:
        return self.achieved_s - self.commanded_s


class Link:
    """One device's downlink. `frame_bytes` is D of the scenario; None puts each frame's own size on
    the air."""

    def __init__(
        self, channel: DeviceChannel, clock: Clock, slot_seconds: float, frame_bytes: int | None
    ) -> None:
        self._channel = channel
        self._clock = clock
        self._slot_seconds = slot_seconds
        self._frame_bytes = frame_bytes
        self._free_at = 0.0

    async def transmit(self, nbytes: int) -> Transfer:
        """Hold a frame that came now until its bits have passed, after those of the device's
        earlier frames.

        The rate is integrated over the slots it spans.
        """
        start = self._clock.now()
        on_air = self._frame_bytes or nbytes
        end = finish(
            max(start, self._free_at), 8.0 * on_air, self._channel.rate_bps, self._slot_seconds
        )
        self._free_at = end
        await self._clock.sleep_until(end)
        return Transfer(on_air, end - start, self._clock.now() - start)
