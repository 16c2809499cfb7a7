import numpy as np
import pytest

from midstep.radio.fading import DeviceChannel, draw, specs
from midstep.scenario import Scenario
from midstep.scenario_file import parse
from tests import paced


def test_draws_do_not_depend_on_who_asks_first(scenario: Scenario) -> None:
    made = specs(scenario)
    forward, backward = (DeviceChannel(scenario.channel, made[1], scenario.seed) for _ in range(2))
    rates = [forward.rate_bps(slot) for slot in range(20)]
    assert [backward.rate_bps(slot) for slot in reversed(range(20))] == rates[::-1]
    assert len(set(rates)) == 20


def test_draws_differ_by_seed_user_slot_and_kind() -> None:
    assert (
        len(
            {
                draw(7, 1, 0, 0),
                draw(8, 1, 0, 0),
                draw(7, 2, 0, 0),
                draw(7, 1, 1, 0),
                draw(7, 1, 0, 1),
            }
        )
        == 5
    )


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
    made = specs(
        parse(paced.tree(devices=[{"class": "a", "count": 3}, {"class": "b", "count": 1}]))
    )
    assert [d.distance_m for d in made] == [120, 187.5, 255, 120]
    assert [(d.user, d.kind) for d in made] == [(0, "a"), (1, "a"), (2, "a"), (3, "b")]
    assert all(1e6 <= d.bandwidth_hz <= 1.25e6 for d in made)
