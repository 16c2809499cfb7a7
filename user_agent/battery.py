"""A device's battery: what computing and receiving take of it, and when it is empty."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from itertools import pairwise

from midstep.clock import Clock
from user_agent.booking import Booking

__all__ = ["Battery"]


class Battery:
    """A battery of `charge_j` joules that drives a device of `watts` while it computes. `on_empty`
    is called once, when nothing is left.

    Computing takes its power as long as its booking commands, receiving its energy when a frame
    has passed, all that is left where that is less. Call `expect` where bookings may have moved.
    """

    def __init__(
        self, charge_j: float, watts: float, clock: Clock, on_empty: Callable[[], None]
    ) -> None:
        self.empty = False
        self._left_j = charge_j  # without what open bookings have taken so far
        self._watts = watts
        self._clock = clock
        self._on_empty = on_empty
        self._open: list[Booking] = []
        self._timer: asyncio.TimerHandle | None = None

    def draw(self, joules: float) -> float:
        """Take energy at once, or what is left of it; how much."""
        now = self._clock.now()
        used_j = sum(
            self._watts * max(0.0, min(now, booking.due_s) - booking.begins_s)
            for booking in self._open
        )
        joules = max(0.0, min(joules, self._left_j - used_j))
        self._left_j -= joules
        self.expect()
        return joules

    def begin(self, booking: Booking) -> None:
        """Take energy as long as a booking is at work."""
        self._open.append(booking)
        self.expect()

    def end(self, booking: Booking, joules: float) -> None:
        """A booking is done, or given up, and has taken so much."""
        self._open.remove(booking)
        self._left_j -= joules
        self.expect()

    def expect(self) -> None:
        """Find out when it will be empty, and call `on_empty` then."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self.empty:
            return
        empty_s = self._empty_s()
        if math.isfinite(empty_s):
            wait_s = max(0.0, empty_s - self._clock.now()) / self._clock.scale
            self._timer = asyncio.get_running_loop().call_later(wait_s, self._run_empty)

    def close(self) -> None:
        """Expect nothing any more."""
        if self._timer is not None:
            self._timer.cancel()

    def _run_empty(self) -> None:
        self._timer = None
        if not self.empty:
            self.empty = True
            self._on_empty()

    def _empty_s(self) -> float:
        """When nothing is left, if bookings stay as they are; infinity where enough is."""
        left_j = self._left_j
        instants = sorted(
            {instant for booking in self._open for instant in (booking.begins_s, booking.due_s)}
        )
        if left_j <= 0 or not instants:
            return self._clock.now() if left_j <= 0 else math.inf
        for begin_s, end_s in pairwise(instants):
            at_work = sum(one.begins_s <= begin_s < one.due_s for one in self._open)
            power_w = self._watts * at_work
            if power_w and left_j <= power_w * (end_s - begin_s):
                return begin_s + left_j / power_w
            left_j -= power_w * (end_s - begin_s) if power_w else 0.0
        return math.inf
