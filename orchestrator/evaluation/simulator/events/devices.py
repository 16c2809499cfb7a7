"""The users' devices: each link passes one frame after the other, each processor makes one picture
after the other, and what a device says of them when it asks."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from midstep.diffusion.profile import StepProfile
from midstep.radio.fading import DeviceSpec
from midstep.scenario import Scenario
from orchestrator.evaluation.simulator.events.asking import DeviceState
from orchestrator.evaluation.simulator.events.paces import Paces

__all__ = ["Devices", "Way"]


class Way(NamedTuple):
    """The instants at which a frame's first and last bit pass, and at which its device begins and
    has the picture."""

    sends_s: float
    sent_s: float
    computes_s: float
    ended_s: float


class Devices:
    """All devices of a run, by number. `profile` has the edge's step times, `bytes_on_air` are
    those of a frame on a link."""

    def __init__(
        self,
        scenario: Scenario,
        specs: Sequence[DeviceSpec],
        profile: StepProfile,
        bytes_on_air: int,
    ) -> None:
        self._steps = scenario.model.steps
        self._step_s = profile.step(1)
        self._decode_s = profile.decode_s
        self._bits = 8.0 * bytes_on_air
        self._paces = Paces(scenario, specs, self._step_s)
        self._link_free_s = [0.0] * len(specs)
        self._free_s = [0.0] * len(specs)
        # of the frames on their way: when each is there, and its picture is finished
        self._coming: list[deque[tuple[float, float]]] = [deque() for _ in specs]
        self._busy_until_s = [0.0] * len(specs)  # with the frames that have come

    def state(self, device: int, now_s: float) -> DeviceState:
        """What a device says of itself now. It knows nothing of a frame before it has come."""
        coming = self._coming[device]
        while coming and coming[0][0] <= now_s:
            self._busy_until_s[device] = coming.popleft()[1]
        return DeviceState(
            rate_bps=self._paces.rate_bps(device, now_s),
            step_s=self._step_s / self._paces.speed(device, now_s),
            backlog_s=max(0.0, self._busy_until_s[device] - now_s),
        )

    def book(self, device: int, now_s: float, step: int) -> Way:
        """Let a frame at `step` pass now, and its picture be finished, each behind what the device
        has before it."""
        sends_s = max(now_s, self._link_free_s[device])
        sent_s = self._paces.received(device, sends_s, self._bits)
        self._link_free_s[device] = sent_s
        computes_s = max(sent_s, self._free_s[device])
        work_s = (self._steps - step) * self._step_s + self._decode_s
        ended_s = self._paces.finished(device, computes_s, work_s)
        self._free_s[device] = ended_s
        self._coming[device].append((sent_s, ended_s))
        return Way(sends_s, sent_s, computes_s, ended_s)

    def forget(self, slot: int) -> None:
        """Drop what is known of the slots before `slot`."""
        self._paces.forget(slot)
