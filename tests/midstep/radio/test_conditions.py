"""What events change of a device's channel: together, one after the other, and lifted again."""

from __future__ import annotations

import pytest

from midstep.events.changes import DeviceChange
from midstep.radio import channel_law, physics
from midstep.radio.conditions import Conditions
from midstep.radio.fading import DeviceChannel, specs
from midstep.scenario import Scenario


def test_changes_of_several_causes_act_together_and_each_is_lifted_alone() -> None:
    conditions = Conditions(100.0, 1.0)
    conditions.change(DeviceChange(cause="a", rate_factor=0.5, frame_loss=0.5), 0.0)
    conditions.change(DeviceChange(cause="b", rate_factor=0.1, frame_loss=0.5), 1.0)
    assert conditions.rate_factor == pytest.approx(0.05)
    assert conditions.frame_loss == pytest.approx(0.75)
    conditions.change(DeviceChange(cause="a"), 2.0)
    assert (conditions.rate_factor, conditions.frame_loss) == (0.1, 0.5)
    conditions.change(DeviceChange(cause="b", down=True), 3.0)
    assert conditions.rate_factor == 0
    conditions.change(DeviceChange(cause="b"), 4.0)
    assert (conditions.rate_factor, conditions.frame_loss, conditions.speed_factor) == (1, 0, 1)


def test_who_walks_is_further_on_each_slot_and_stays_where_it_came_to() -> None:
    conditions = Conditions(100.0, 2.0)
    conditions.change(DeviceChange(distance_m=200.0, over_s=10.0), 3.0)
    # slot 1 runs from 2 to 4: it sets out in it
    places = [conditions.distance_m(slot) for slot in (1, 2, 4, 7, 20)]
    assert places == pytest.approx([100, 110, 150, 200, 200])
    conditions.change(DeviceChange(cause="back", distance_m=50.0), 8.0)
    assert conditions.distance_m(4) == 50
    conditions.change(DeviceChange(), 9.0)
    assert conditions.distance_m(9) == 50


def test_rates_follow_the_distance_or_the_gains_that_are_set(scenario: Scenario) -> None:
    spec = specs(scenario)[0]
    radio = scenario.channel
    channel = DeviceChannel(radio, spec, 7)
    before = channel.rate_bps(5)
    channel.change(DeviceChange(cause="walk", distance_m=2 * spec.distance_m), 0.0)
    nearer = float(channel_law.mean_gain(radio, spec.distance_m))
    farther = float(channel_law.mean_gain(radio, 2 * spec.distance_m))
    assert farther == pytest.approx(nearer / 8)  # exponent 3
    assert channel.rate_bps(5) < before
    channel.change(DeviceChange(cause="trace", gains=((0.0, 1e-9), (2.0, 1e-12))), 3.0)
    rates = [channel.rate_bps(slot) for slot in (3, 4, 5, 60)]
    expected = [
        float(physics.rate_bps(spec.bandwidth_hz, radio.power_w, gain, radio.noise_w))
        for gain in (1e-9, 1e-9, 1e-12, 1e-12)
    ]
    assert rates == pytest.approx(expected)
    channel.change(DeviceChange(cause="trace"), 9.0)
    channel.change(DeviceChange(cause="walk", distance_m=spec.distance_m), 9.0)
    assert channel.rate_bps(9) == pytest.approx(DeviceChannel(radio, spec, 7).rate_bps(9))
