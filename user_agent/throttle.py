"""A device's own pace: what its host computed at once is handed over no earlier than f_n(t)
allows."""

from __future__ import annotations

from dataclasses import dataclass

from midstep.clock import Clock
from midstep.radio.fading import DeviceChannel
from midstep.radio.pace import finish


@dataclass(frozen=True)
class Pace:
    """Seconds a stage should have taken on the device, and took."""

    commanded_s: float
    achieved_s: float

    @property
    def late_s(self) -> float:
        return self.achieved_s - self.commanded_s


class Throttle:
    """`step_s` is the edge's time of one step; the device needs step_s / f_n(t), f_n in units of
    f_es."""

    def __init__(
        self, channel: DeviceChannel, clock: Clock, slot_seconds: float, step_s: float
    ) -> None:
        self._channel = channel
        self._clock = clock
        self._slot_seconds = slot_seconds
        self._step_s = step_s
        self._free_at = 0.0

    def due(self, start_s: float, steps: float) -> float:
        """The instant at which `steps` denoising steps are done that are asked for at `start_s`:
        the device does one picture after the other."""
        work = steps * self._step_s
        self._free_at = finish(
            max(start_s, self._free_at), work, self._channel.speed, self._slot_seconds
        )
        return self._free_at

    async def hold(self, start_s: float, due_s: float) -> Pace:
        """Return at `due_s`, or at once where the host was too slow; the difference is recorded."""
        await self._clock.sleep_until(due_s)
        return Pace(due_s - start_s, self._clock.now() - start_s)
