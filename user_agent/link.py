"""The radio link between edge and device: a frame is held until its bits have passed at R_n(t),
equation (6)."""

from __future__ import annotations

from dataclasses import dataclass

from midstep.clock import Clock
from midstep.radio.fading import DeviceChannel
from user_agent.booking import SerialWork, Stage

__all__ = ["Link", "Transfer"]


@dataclass(frozen=True, kw_only=True)
class Transfer(Stage):
    """The transfer of one frame: its bytes on the link, and when they passed."""

    nbytes: int

    @property
    def rate_bps(self) -> float:
        """The mean rate commanded from the frame's first bit to its last, bit/s."""
        return 8 * self.nbytes / self.booking.work_s


class Link:
    """One device's downlink. `frame_bytes` is D of the scenario; None: each frame's own size
    counts."""

    def __init__(
        self, channel: DeviceChannel, clock: Clock, slot_seconds: float, frame_bytes: int | None
    ) -> None:
        self._clock = clock
        self._frame_bytes = frame_bytes
        self._work = SerialWork(channel.rate_bps, slot_seconds)

    @property
    def rate_bps(self) -> float:
        """R_n(t) now."""
        return self._work.rate(self._clock.now())

    async def transmit(self, nbytes: int) -> Transfer:
        """Hold a frame that arrives now until its bits have passed, behind the device's earlier
        frames.

        The rate is integrated over the slots it spans.
        """
        on_air = self._frame_bytes or nbytes
        booking = self._work.book(self._clock.now(), 8.0 * on_air)
        await self._clock.sleep_until(booking.due_s)
        achieved = self._clock.now() - booking.asked_s
        return Transfer(booking=booking, achieved_s=achieved, nbytes=on_air)
