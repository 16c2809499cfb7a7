"""The radio link between edge and device: a frame is held until its bits have passed at R_n(t),
equation (6)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from midstep.clock import Clock
from midstep.radio.fading import DeviceChannel
from user_agent.booking import Stage, open_work

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
    counts. `parallel`: the device's own frames do not wait for each other."""

    def __init__(
        self,
        channel: DeviceChannel,
        clock: Clock,
        slot_seconds: float,
        frame_bytes: int | None,
        *,
        parallel: bool = False,
    ) -> None:
        self._clock = clock
        self._frame_bytes = frame_bytes
        self._work = open_work(channel.rate_bps, slot_seconds, parallel)
        self._due_s: list[float] = []  # of the frames on the air

    @property
    def arrival_s(self) -> float:
        """When the next frame that is on the air has passed; infinity where none is."""
        return min(self._due_s, default=math.inf)

    @property
    def rate_bps(self) -> float:
        """R_n(t) now."""
        return self._work.rate(self._clock.now())

    async def transmit(self, nbytes: int, due_s: float | None = None) -> Transfer:
        """Hold a frame that arrives now until its bits have passed, behind the device's earlier
        frames; `due_s` is when its request was due, None: now.

        The rate is integrated over the slots it spans, or where the device is `parallel` that of
        the slot in which its request was due.
        """
        on_air = self._frame_bytes or nbytes
        now = self._clock.now()
        booking = self._work.book(now, 8.0 * on_air, now if due_s is None else due_s)
        self._due_s.append(booking.due_s)
        try:
            await self._clock.sleep_until(booking.due_s)
        finally:
            self._due_s.remove(booking.due_s)
        achieved = self._clock.now() - booking.asked_s
        return Transfer(booking=booking, achieved_s=achieved, nbytes=on_air)
