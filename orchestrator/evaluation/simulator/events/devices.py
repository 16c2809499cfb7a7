"""The users' devices: each link passes one frame after the other, each processor makes one picture
after the other, and what a device says of them when it asks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from midstep.diffusion.profile import StepProfile
from midstep.radio.fading import DeviceSpec
from midstep.scenario import Scenario
from orchestrator.evaluation.simulator.events.paces import Paces

__all__ = ["Devices", "State", "Way"]


class State(NamedTuple):
    """What a device says of itself: R_n (bit/s), its seconds for one step, and until it has done
    its earlier work (s)."""

    rate_bps: float
    step_s: float
    backlog_s: float


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
        return Way(sends_s, sent_s, computes_s, ended_s)

    def forget(self, slot: int) -> None:
        """Drop what is known of the slots before `slot`."""
        self._paces.forget(slot)
