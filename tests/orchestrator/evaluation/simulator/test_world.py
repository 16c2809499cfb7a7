"""The closed world: what it draws is what a run's devices and users draw."""

from __future__ import annotations

import numpy as np

from midstep.radio.fading import DeviceChannel, specs
from midstep.scenario_file import parse
from midstep.workload.popularity import RankDrift
from orchestrator.evaluation.simulator.presets import find
from orchestrator.evaluation.simulator.world import World
from tests import paced

SETTINGS = [
    "users=4",
    "items=30",
    "bandwidth_mhz=[1, 1.25]",
    "drift_swaps_per_slot=1.5",
    "radio.power_w=20",
]


def test_one_seed_is_one_world_live_and_simulated() -> None:
    preset = find("compact", SETTINGS)
    scenario = parse(paced.tree(channel={"power_w": 20.0}))
    channels = [DeviceChannel(scenario.channel, spec, scenario.seed) for spec in specs(scenario)]
    drift = RankDrift(30, 1.5, scenario.seed)
    world = World([(preset, scenario.seed)])
    for slot in range(70):  # beyond a block of channels
        world.advance()
        live = [channel.rate_bps(slot) for channel in channels]
        np.testing.assert_allclose(preset.frame_bits / world.transfer_s[0], live, rtol=1e-12)
        hertz = preset.frame_bits / world.step_s[0]
        share = [channel.speed(slot) / 0.075 for channel in channels]
        np.testing.assert_allclose(hertz / 1.5e9, share, rtol=1e-12)
        np.testing.assert_array_equal(world._demand.order[0], drift.order(slot))


def test_a_lane_does_not_depend_on_the_lanes_beside_it() -> None:
    one = find("compact", SETTINGS)
    other = find("compact", ["items=30", "users=7", "radio.fading=false"])
    alone = World([(one, 3)])
    beside = World([(other, 5), (one, 3)])
    for _ in range(20):
        alone.advance()
        beside.advance()
        np.testing.assert_array_equal(alone.transfer_s[0], beside.transfer_s[1][:4])
        np.testing.assert_array_equal(alone.count[0], beside.count[1])
        rates = other.frame_bits / beside.transfer_s[0]
    assert len(set(np.round(rates, 3))) == 7  # places and bandwidths differ, and nothing fades
