"""Gains, bandwidths and device speeds, drawn by (seed, user, slot): they never depend on who asks
first."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from midstep.errors import ScenarioError
from midstep.radio import physics
from midstep.scenario import Channel, Scenario

SPEED_LOW = 0.7  # f_n(t) is U[0.7, 1] of the device's maximum

_GAIN = 1
_SPEED = 2
_BANDWIDTH = 3
_PLACE = 4


def draw(seed: int, kind: int, user: int, slot: int) -> float:
    """One number in [0, 1) that depends on nothing but its arguments (Philox counter)."""
    bits = np.random.Philox(
        key=np.array([seed, kind], np.uint64), counter=np.array([0, 0, user, slot], np.uint64)
    )
    return float(np.random.Generator(bits).random())


@dataclass(frozen=True)
class DeviceSpec:
    """What one device is: its class (`group` is its number in the scenario, `kind` its name), the
    edge it asks, its place, its share of the spectrum (Hz), its top speed f_max / f_es."""

    user: int
    group: int
    kind: str
    edge: str
    speed_ratio: float
    bandwidth_hz: float
    distance_m: float
    watts: float


def specs(scenario: Scenario) -> list[DeviceSpec]:
    """All devices of a scenario, user 0 first; distances evenly spaced within each class, bandwidth
    uniform."""
    made: list[DeviceSpec] = []
    dealt = 0
    for number, group in enumerate(scenario.devices):
        for index in range(group.count):
            edge = group.edge
            if edge is None:
                edge = scenario.edges[dealt % len(scenario.edges)].name
                dealt = dealt + 1
            made.append(_spec(scenario, number, edge, len(made), index / max(1, group.count - 1)))
    return made


class Newcomers:
    """Devices that come while a run lives, in the mix of classes that each edge began with."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        first = specs(scenario)
        self._mix = {
            edge.name: Counter(s.group for s in first if s.edge == edge.name)
            for edge in scenario.edges
        }
        self._next = len(first)  # a user's number is never given twice

    def come(self, edge: str, present: Iterable[DeviceSpec], number: int) -> list[DeviceSpec]:
        """So many more at an edge that has the devices `present`: each of the class that is
        furthest below its share, at a place drawn from its class's range. Raises ScenarioError
        where no class asks that edge."""
        mix = self._mix[edge]
        if not mix:  # nobody was there to begin with
            groups = enumerate(self._scenario.devices)
            mix = Counter({n: group.count for n, group in groups if group.edge in (None, edge)})
        if not mix:
            raise ScenarioError(
                f"no class of devices asks {edge}: set devices.N.edge to {edge} or null"
            )
        there = Counter(spec.group for spec in present)
        coming = list[DeviceSpec]()
        for user in range(self._next, self._next + number):
            group = min(mix, key=lambda group: (there[group] + 1) / mix[group])
            coming.append(
                _spec(self._scenario, group, edge, user, draw(self._scenario.seed, _PLACE, user, 0))
            )
            there[group] += 1
        self._next += number
        return coming


def _spec(scenario: Scenario, number: int, edge: str, user: int, place: float) -> DeviceSpec:
    """`number`: of the class; `place`: 0 at the nearest, 1 at the farthest distance of the
    class."""
    seed = scenario.seed
    group = scenario.devices[number]
    (near, far) = group.distance_m
    (narrow, wide) = group.bandwidth_mhz
    bandwidth = narrow + (wide - narrow) * draw(seed, _BANDWIDTH, user, 0)
    distance = near + (far - near) * place
    return DeviceSpec(
        user, number, group.kind, edge, group.speed_ratio, bandwidth * 1e6, distance, group.watts
    )


class DeviceChannel:
    """One device's link rate and speed in each slot."""

    def __init__(self, channel: Channel, spec: DeviceSpec, seed: int) -> None:
        self._channel = channel
        self._spec = spec
        self._seed = seed
        self._gain = float(
            physics.mean_gain(
                spec.distance_m,
                channel.carrier_mhz * 1e6,
                channel.path_loss_exponent,
                channel.antenna_gain,
            )
        )
        self.rate_bps = functools.lru_cache(maxsize=4096)(self._rate_bps)
        self.speed = functools.lru_cache(maxsize=4096)(self._speed)

    def _rate_bps(self, slot: int) -> float:
        """R_n(t) of (6); the gain is the mean gain times Exp(1): Rayleigh block fading."""
        user = self._spec.user
        fade = -np.log1p(-draw(self._seed, _GAIN, user, slot)) if self._channel.fading else 1.0
        rate = physics.rate_bps(
            self._spec.bandwidth_hz,
            self._channel.power_w,
            self._gain * max(fade, 1e-9),
            self._channel.noise_w,
        )
        return float(rate)

    def _speed(self, slot: int) -> float:
        """f_n(t) / f_es."""
        share = SPEED_LOW + (1 - SPEED_LOW) * draw(self._seed, _SPEED, self._spec.user, slot)
        return self._spec.speed_ratio * share
