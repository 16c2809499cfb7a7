import numpy as np
import pytest

from midstep.radio.fading import DeviceChannel, Newcomers, specs
from midstep.scenario import Scenario
from midstep.scenario_file import parse
from tests import paced


def test_draws_do_not_depend_on_who_asks_first(scenario: Scenario) -> None:
    devices = specs(scenario)
    forward, backward = (
        DeviceChannel(scenario.channel, devices[1], scenario.seed) for _ in range(2)
    )
    rates = [forward.rate_bps(slot) for slot in range(20)]
    assert [backward.rate_bps(slot) for slot in reversed(range(20))] == rates[::-1]
    assert len(set(rates)) == 20


def test_fading_is_exponential_with_mean_one(scenario: Scenario) -> None:
    spec = specs(scenario)[0]
    channel = DeviceChannel(scenario.channel, spec, 3)
    still = DeviceChannel(scenario.channel.model_copy(update={"fading": False}), spec, 3)
    snr = 2 ** (still.rate_bps(0) / spec.bandwidth_hz) - 1
    fades = np.array(
        [(2 ** (channel.rate_bps(t) / spec.bandwidth_hz) - 1) / snr for t in range(2000)]
    )
    assert fades.mean() == pytest.approx(1.0, abs=0.08)
    assert (fades < np.log(2)).mean() == pytest.approx(0.5, abs=0.04)


def test_speed_stays_within_the_class(scenario: Scenario) -> None:
    channel = DeviceChannel(scenario.channel, specs(scenario)[0], scenario.seed)
    speeds = [channel.speed(slot) for slot in range(500)]
    assert 0.7 * 0.075 <= min(speeds) < 0.0535 and 0.074 < max(speeds) <= 0.075


def test_devices_are_spread_over_their_distances_and_bands() -> None:
    devices = specs(
        parse(paced.tree(devices=[{"class": "a", "count": 3}, {"class": "b", "count": 1}]))
    )
    assert [d.distance_m for d in devices] == [120, 187.5, 255, 120]
    assert [(d.user, d.kind) for d in devices] == [(0, "a"), (1, "a"), (2, "a"), (3, "b")]
    assert all(1e6 <= d.bandwidth_hz <= 1.25e6 for d in devices)


def test_newcomers_stand_within_the_range_of_their_class() -> None:
    scenario = parse(paced.tree(devices=[{"class": "a", "count": 3, "distance_m": [50, 60]}]))
    newcomers = Newcomers(scenario)
    coming = newcomers.come("edge-0", specs(scenario), 40)
    assert [device.user for device in coming] == list(range(3, 43))
    assert all(50 <= device.distance_m < 60 for device in coming)
    assert len({device.distance_m for device in coming}) == 40
    assert newcomers.come("edge-0", coming, 1)[0].user == 43
