"""A device's own pace: its host's result is handed over no earlier than the device's speed f_n(t)
allows."""

from __future__ import annotations

from midstep.clock import Clock
from midstep.radio.fading import DeviceChannel
from user_agent.booking import Booking, Stage, open_work

__all__ = ["Throttle"]


class Throttle:
    """`step_s` is the time of one step at the speed that the channel's f_n(t) is a share of: the
    edge's, or the device's own at f_max; the device needs step_s / f_n(t). `parallel`: its pictures
    do not wait for each other."""

    def __init__(
        self,
        channel: DeviceChannel,
        clock: Clock,
        slot_seconds: float,
        step_s: float,
        *,
        parallel: bool = False,
    ) -> None:
        self._clock = clock
        self._step_s = step_s
        self._work = open_work(channel.speed, slot_seconds, parallel)

    @property
    def step_s(self) -> float:
        """Seconds of one step at the speed that the device has now."""
        return self._step_s / self._work.rate(self._clock.now())

    @property
    def backlog_s(self) -> float:
        """Until the device has done the pictures that it has booked."""
        return self._work.backlog_s(self._clock.now())

    def book(self, start_s: float, steps: float, due_s: float | None = None) -> Booking:
        """When `steps` denoising steps that are asked for at `start_s` begin and are done: the
        device does one picture after the other, or where it is parallel all at once, at the speed
        of the slot in which their request was due, at `due_s` (None: at `start_s`)."""
        return self._work.book(start_s, steps * self._step_s, start_s if due_s is None else due_s)

    def settle(self) -> None:
        """Account for what is computed: the channel's speed is about to change."""
        self._work.settle(self._clock.now())

    def resume(self) -> None:
        """Go on at the speed that there is now."""
        self._work.resume(self._clock.now())

    async def hold(self, booking: Booking) -> Stage:
        """Return when the booking is due, or at once where the host was too slow; the difference is
        recorded."""
        await booking.due.wait(self._clock)
        return Stage(booking=booking, achieved_s=self._clock.now() - booking.asked_s)
