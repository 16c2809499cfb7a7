"""Rates of all links and speeds of all devices, a slot at a time, and when work at them is done:
equations (5), (6), (8) with R_n(t) and f_n(t) constant within a slot."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from midstep.draws import GAIN, SPEED, uniforms
from midstep.errors import ScenarioError
from midstep.radio import channel_law
from midstep.radio.fading import DeviceSpec
from midstep.radio.physics import Floats
from midstep.scenario import Scenario

__all__ = ["MOST_SLOTS", "Paces"]

MOST_SLOTS = 10_000  # of one transfer, or of one picture


class Paces:
    """R_n(t), bit/s, and f_n(t) / f_es of the devices `specs`, each a row (devices,) by slot, drawn
    when it is first wanted. `step_s`: the edge's time of one step, in whose terms f_es is."""

    def __init__(self, scenario: Scenario, specs: Sequence[DeviceSpec], step_s: float) -> None:
        self._seed = scenario.seed
        self._channel = scenario.channel
        self._slot_s = scenario.slot_seconds
        self._users = np.array([spec.user for spec in specs], np.int64)
        self._bandwidth_hz = np.array([spec.bandwidth_hz for spec in specs])
        ratio = [devices.ratio_to(step_s) for devices in scenario.devices]
        self._ratio = np.array([ratio[spec.group] for spec in specs])
        distances_m = np.array([spec.distance_m for spec in specs])
        self._mean_gain = channel_law.mean_gain(scenario.channel, distances_m)
        self._rates: dict[int, Floats] = {}
        self._speeds: dict[int, Floats] = {}

    def received(self, device: int, start_s: float, bits: float) -> float:
        """When device number `device` has all `bits` of a frame whose first leaves at `start_s`."""
        return self._done(self._rate, device, start_s, bits)

    def finished(self, device: int, start_s: float, work_s: float) -> float:
        """When it has done what takes the edge `work_s`, begun at `start_s`."""
        return self._done(self._speed, device, start_s, work_s)

    def rate_bps(self, device: int, now_s: float) -> float:
        """R_n(t) of a device now."""
        return self._rate(int(now_s // self._slot_s)).item(device)

    def speed(self, device: int, now_s: float) -> float:
        """f_n(t) / f_es of a device now."""
        return self._speed(int(now_s // self._slot_s)).item(device)

    def forget(self, slot: int) -> None:
        """Drop the rows of the slots before `slot`: nothing begins there any more."""
        for rows in (self._rates, self._speeds):
            for old in [number for number in rows if number < slot]:
                del rows[old]

    def _done(
        self, pace_in: Callable[[int], Floats], device: int, start_s: float, amount: float
    ) -> float:
        slot = first = int(start_s // self._slot_s)
        while True:
            pace = pace_in(slot).item(device)
            slot += 1
            boundary_s = slot * self._slot_s
            needs_s = amount / pace
            if start_s + needs_s <= boundary_s:
                return start_s + needs_s
            amount -= pace * max(0.0, boundary_s - start_s)
            start_s = boundary_s
            if slot - first > MOST_SLOTS:
                raise ScenarioError(
                    f"one frame or picture takes more than {MOST_SLOTS} slots: look at channel.* "
                    f"(units?), devices.speed_ratio or step_ms, and slot_seconds"
                )

    def _rate(self, slot: int) -> Floats:
        row = self._rates.get(slot)
        if row is None:
            draws = uniforms(self._seed, GAIN, slot, self._users)
            row = self._rates[slot] = channel_law.rate_bps(
                self._channel, self._bandwidth_hz, self._mean_gain, draws
            )
        return row

    def _speed(self, slot: int) -> Floats:
        row = self._speeds.get(slot)
        if row is None:
            draws = uniforms(self._seed, SPEED, slot, self._users)
            row = self._speeds[slot] = self._ratio * channel_law.speed_share(draws)
        return row
