"""A run's devices: what each is, and its link's rate and its speed in each slot, which depend on
(seed, user, slot) alone."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

from midstep.draws import BANDWIDTH, GAIN, PLACE, SPEED, uniform
from midstep.errors import ScenarioError
from midstep.events.changes import DeviceChange
from midstep.radio import channel_law, physics, places
from midstep.radio.conditions import Conditions
from midstep.scenario import Channel, Scenario

__all__ = ["DeviceChannel", "DeviceSpec", "Newcomers", "specs"]


@dataclass(frozen=True, kw_only=True)
class DeviceSpec:
    """What one device is: its class (`group` is its number in the scenario, `kind` its name), the
    edge that it asks, its place, its share of the spectrum (Hz), and its top speed: f_max / f_es,
    or where that is None the seconds of one step at f_max. `parallel`: its own requests do not wait
    for each other. `joules_per_bit` is what receiving takes, `battery_j` what it has, None: mains.
    `place_m` is where it stands, None where edges have no places.
    """

    user: int
    group: int
    kind: str
    edge: str
    speed_ratio: float | None
    bandwidth_hz: float
    distance_m: float
    watts: float
    step_s: float | None = None
    parallel: bool = False
    joules_per_bit: float = 0.0
    battery_j: float | None = None
    place_m: tuple[float, float] | None = None


def specs(scenario: Scenario) -> list[DeviceSpec]:
    """All devices of a scenario, user 0 first. Distances are evenly spaced within each class,
    bandwidths uniform; classes without an edge are dealt out over all edges in turn, and who
    chooses the nearest then asks that."""
    devices: list[DeviceSpec] = []
    unassigned = 0
    for number, group in enumerate(scenario.devices):
        for distance_m in channel_law.distances_m(group.distance_m, group.count).tolist():
            edge = group.edge
            if edge is None:
                edge = scenario.edges[unassigned % len(scenario.edges)].name
                unassigned += 1
            spec = _spec(scenario, number, edge, len(devices), distance_m)
            if group.choose == "nearest" and spec.place_m is not None:
                chosen, far_m = places.nearest(scenario, spec.place_m)
                if chosen != edge:
                    spec = replace(spec, edge=chosen, distance_m=far_m)
            devices.append(spec)
    return devices


class Newcomers:
    """Devices that come while a run lives, in the mix of classes that each edge began with."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        first = specs(scenario)
        self._mix = {
            edge.name: Counter(s.group for s in first if s.edge == edge.name)
            for edge in scenario.edges
        }
        self._next = len(first)  # a user's number is never used again

    def come(self, edge: str, present: Iterable[DeviceSpec], number: int) -> list[DeviceSpec]:
        """`number` more devices at an edge that has the devices `present`: each of the class that
        is furthest below its share, at a distance drawn from its class's range. Raises
        ScenarioError where no class asks that edge."""
        mix = self._mix[edge]
        if not mix:  # nobody was there to begin with
            groups = enumerate(self._scenario.devices)
            mix = Counter({n: group.count for n, group in groups if group.edge in (None, edge)})
        if not mix:
            raise ScenarioError(
                f"no class of devices asks {edge}: set devices.N.edge to {edge} or null"
            )
        counts = Counter(spec.group for spec in present)
        newcomers = list[DeviceSpec]()
        for user in range(self._next, self._next + number):
            group = min(mix, key=lambda group: (counts[group] + 1) / mix[group])
            near, far = self._scenario.devices[group].distance_m
            distance_m = near + (far - near) * uniform(self._scenario.seed, PLACE, 0, user)
            newcomers.append(_spec(self._scenario, group, edge, user, distance_m))
            counts[group] += 1
        self._next += number
        return newcomers

    def renumbered(self, devices: Iterable[DeviceSpec]) -> list[DeviceSpec]:
        """Devices that have left, as they come back: each as it was, with a number of its own."""
        back = [replace(spec, user=self._next + n) for n, spec in enumerate(devices)]
        self._next += len(back)
        return back


def _spec(scenario: Scenario, number: int, edge: str, user: int, distance_m: float) -> DeviceSpec:
    """A device of class `number`."""
    group = scenario.devices[number]
    draw = uniform(scenario.seed, BANDWIDTH, 0, user)
    return DeviceSpec(
        user=user,
        group=number,
        kind=group.kind,
        edge=edge,
        speed_ratio=group.speed_ratio,
        bandwidth_hz=float(channel_law.bandwidth_hz(group.bandwidth_mhz, draw)),
        distance_m=distance_m,
        watts=group.watts,
        step_s=None if group.step_ms is None else group.step_ms / 1e3,
        parallel=group.parallel,
        joules_per_bit=1e-9 * group.receive_nj_per_bit,
        battery_j=group.battery_j,
        place_m=places.place_of(scenario, edge, distance_m, user),
    )


class DeviceChannel:
    """One device's link rate and speed in each slot of `slot_seconds`, and what events have changed
    of them."""

    def __init__(
        self, channel: Channel, spec: DeviceSpec, seed: int, slot_seconds: float = 1.0
    ) -> None:
        self._channel = channel
        self._spec = spec
        self._seed = seed
        self._mean_gain = float(channel_law.mean_gain(channel, spec.distance_m))
        self.conditions = Conditions(spec.distance_m, slot_seconds)
        self.rate_bps = functools.lru_cache(maxsize=4096)(self._rate_bps)
        self.speed = functools.lru_cache(maxsize=4096)(self._speed)

    def change(self, change: DeviceChange, now_s: float) -> None:
        """Let a change come now."""
        self.conditions.change(change, now_s)
        self.rate_bps.cache_clear()
        self.speed.cache_clear()

    @property
    def down(self) -> bool:
        """Whether nothing passes."""
        return self.conditions.rate_factor == 0

    def _rate_bps(self, slot: int) -> float:
        """R_n(t) of (6)."""
        return self.conditions.rate_factor * float(self._undimmed_bps(slot))

    def _undimmed_bps(self, slot: int) -> physics.Floats:
        """R_n(t) by its gain."""
        radio = self._channel
        bandwidth_hz = self._spec.bandwidth_hz
        gain = self.conditions.gain(slot)
        if gain is not None:
            return physics.rate_bps(bandwidth_hz, radio.power_w, gain, radio.noise_w)
        draw = uniform(self._seed, GAIN, slot, self._spec.user)
        mean_gain = self._mean_gain
        if self.conditions.moved:
            mean_gain = float(channel_law.mean_gain(radio, self.conditions.distance_m(slot)))
        return channel_law.rate_bps(radio, bandwidth_hz, mean_gain, draw)

    def efficiency(self, slot: int) -> float:
        """log2(1 + SNR) of (6), (bit/s)/Hz: R_n(t) / W_n."""
        return self.rate_bps(slot) / self._spec.bandwidth_hz

    def _speed(self, slot: int) -> float:
        """f_n(t) / f_es, or f_n(t) / f_max of a device that has a step time of its own."""
        draw = uniform(self._seed, SPEED, slot, self._spec.user)
        ratio = 1.0 if self._spec.speed_ratio is None else self._spec.speed_ratio
        return self.conditions.speed_factor * float(ratio * channel_law.speed_share(draw))
