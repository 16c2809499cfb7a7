"""The radio link between edge and device: a frame is held until its bits have passed at R_n(t),
equation (6); it is sent again where they did not pass whole, and waits while the link is down."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from midstep.clock import Alarm, Clock
from midstep.errors import LinkLost
from midstep.radio.fading import DeviceChannel
from user_agent.booking import Booking, Stage, open_work

__all__ = ["Link", "Transfer"]

Arrives = Callable[[int, int], bool]


@dataclass(frozen=True, kw_only=True)
class Transfer(Stage):
    """The transfer of one frame: its bytes on the link, how many times it was sent again, and when
    it had passed."""

    nbytes: int
    resent: int = 0

    @property
    def rate_bps(self) -> float:
        """The mean rate commanded from the frame's first bit to its last, bit/s; also of the times
        that it was sent in vain."""
        return 8 * self.nbytes * (1 + self.resent) / self.booking.work_s


class Link:
    """One device's downlink. `frame_bytes` is D of the scenario; None: each frame's own size
    counts. `parallel`: the device's own frames do not wait for each other. `patience_s`: after
    that a frame that has not passed is given up where it would have to be sent again, or the link
    is down.

    Where the channel is about to change between two slots call `settle` before that and `resume`
    after it.
    """

    def __init__(
        self,
        channel: DeviceChannel,
        clock: Clock,
        slot_seconds: float,
        frame_bytes: int | None,
        *,
        parallel: bool = False,
        patience_s: float = math.inf,
    ) -> None:
        self._channel = channel
        self._clock = clock
        self._frame_bytes = frame_bytes
        self._patience_s = patience_s
        self._work = open_work(channel.rate_bps, slot_seconds, parallel)
        self._on_air: list[Booking] = []
        self._up = Alarm(0.0)  # infinity while the link is down

    @property
    def arrival_s(self) -> float:
        """When the next frame that is on the air has passed; infinity where none is."""
        return min((booking.due_s for booking in self._on_air), default=math.inf)

    @property
    def rate_bps(self) -> float:
        """R_n(t) now."""
        return self._work.rate(self._clock.now())

    def settle(self) -> None:
        """Account for what has passed: the channel is about to change."""
        self._work.settle(self._clock.now())

    def resume(self) -> None:
        """Go on with the channel as it is now."""
        self._work.resume(self._clock.now())
        self._see()

    async def ready(self) -> float:
        """Return when the link is up; how long that took, seconds. Raises LinkLost."""
        began_s = self._clock.now()
        await self._wait_for_link(began_s)
        return self._clock.now() - began_s

    async def transmit(
        self, nbytes: int, due_s: float | None = None, arrives: Arrives | None = None
    ) -> Transfer:
        """Hold a frame that arrives now until its bits have passed, behind the device's earlier
        frames; `due_s` is when its request was due, None: now. `arrives(n, nbytes)` says
        whether it came whole, with so many bytes on the air, when it was sent again n times; None:
        it always does. Raises LinkLost.

        The rate is integrated over the slots it spans, or where the device is `parallel` that of
        the slot in which its request was due.
        """
        on_air = self._frame_bytes or nbytes
        asked_s = self._clock.now()
        bookings: list[Booking] = []
        while True:
            bookings.append(await self._pass(on_air, asked_s, due_s))
            if arrives is None or arrives(len(bookings) - 1, on_air):
                break
            if self._clock.now() >= asked_s + self._patience_s:
                raise LinkLost(
                    f"its frame was sent {len(bookings)} times within {self._patience_s:g} s and "
                    f"never came whole"
                )
        booking = _joined(bookings)
        return Transfer(
            booking=booking,
            achieved_s=self._clock.now() - booking.asked_s,
            nbytes=on_air,
            resent=len(bookings) - 1,
        )

    async def _pass(self, on_air: int, asked_s: float, due_s: float | None) -> Booking:
        """Let a frame pass once, which was first sent at `asked_s`. Raises LinkLost."""
        now = self._clock.now()
        booking = self._work.book(now, 8.0 * on_air, now if due_s is None else due_s)
        self._on_air.append(booking)
        try:
            if await booking.due.wait(self._clock, asked_s + self._patience_s):
                return booking
        finally:
            self._on_air.remove(booking)
        self._work.drop(booking, self._clock.now())
        raise self._lost()

    async def _wait_for_link(self, since_s: float) -> None:
        """Return when the link is up. Raises LinkLost where it is still down when patience, since
        an instant, is at its end."""
        if not await self._up.wait(self._clock, since_s + self._patience_s):
            raise self._lost()

    def _see(self) -> None:
        """See whether the channel is up or down."""
        self._up.move(math.inf if self._channel.down else 0.0)

    def _lost(self) -> LinkLost:
        return LinkLost(f"its link was down, for {self._patience_s:g} s nothing passed")


def _joined(bookings: Sequence[Booking]) -> Booking:
    """One frame's bookings as one, without the time between them."""
    if len(bookings) == 1:
        return bookings[0]
    asked_s = bookings[0].asked_s
    begins_s = asked_s + sum(booking.wait_s for booking in bookings)
    due_s = begins_s + sum(booking.work_s for booking in bookings)
    return Booking(asked_s=asked_s, begins_s=begins_s, due_s=due_s)
