"""A coupled scenario and the closed model: one seed is one world on both roads."""

from __future__ import annotations

import numpy as np
import pytest

from midstep.errors import ScenarioError
from midstep.radio.fading import DeviceChannel, specs
from midstep.scenario import Scenario
from midstep.scenario_file import load
from midstep.workload.arrivals import due_before, open_law
from midstep.workload.requests import find_catalogue, open_workload
from orchestrator.evaluation.simulator import presets
from orchestrator.evaluation.simulator.scenario_preset import preset_of, slots_of
from orchestrator.evaluation.simulator.world import World

WORLDS = [
    [],
    ["seed=3", "workload.drift_swaps_per_slot=7.5", "workload.popularity.zipf=1.4"],
    ["seed=9", "workload.catalogue_size=10", "workload.popularity.zipf=0"],  # each asks for all
    ["seed=11", "devices.0.count=3", "workload.catalogue_size=12", "workload.popularity.zipf=4"],
]


def requests_of(scenario: Scenario, slots: int) -> np.ndarray:
    """Items (slots, U, k) that a run's users ask for, by the run's own arrivals and workload."""
    law = open_law(scenario)
    workload = open_workload(scenario)
    number = {core: item for item, core in enumerate(find_catalogue(scenario).edge_prompts)}
    asked: list[list[list[int]]] = [[[] for _ in range(scenario.users)] for _ in range(slots)]
    for user in range(scenario.users):
        index = 0
        since_s = 0.0
        while True:
            arrival = law.arrival(user, index, since_s)
            assert arrival is not None
            if not due_before(arrival, slots * scenario.slot_seconds):
                break
            slot = int(arrival.due_s // scenario.slot_seconds)
            request = workload.user_request(user, index, slot)
            assert request is not None
            asked[slot][user].append(number[request.edge_prompt])
            since_s = arrival.due_s
            index += 1
    return np.array(asked)


@pytest.mark.parametrize("settings", WORLDS)
def test_one_seed_is_one_world_prompt_by_prompt(settings: list[str]) -> None:
    scenario = load("paper", settings)
    slots = 30
    asked = requests_of(scenario, slots)
    channels = [DeviceChannel(scenario.channel, spec, scenario.seed) for spec in specs(scenario)]
    world = World([(preset_of(scenario), scenario.seed)])
    for slot in range(slots):
        world.advance()
        assert np.array_equal(world.requests[0], asked[slot])
        transfer_s = [4e6 / channel.rate_bps(slot) for channel in channels]
        assert world.transfer_s[0] == pytest.approx(transfer_s, rel=1e-12)
        step_s = [0.0002 / channel.speed(slot) for channel in channels]
        assert world.step_s[0] == pytest.approx(step_s, rel=1e-12)


def test_the_papers_scenario_is_the_preset_compact() -> None:
    compact = presets.find("compact").model_copy(update={"name": "paper"})
    assert preset_of(load("paper")) == compact
    assert slots_of(load("paper")) == (100, 20)
    slower = load("paper", ["devices.0.speed_ratio=null", "devices.0.step_ms=4"])
    assert preset_of(slower).device_ghz == 1


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        ("edges=[{name: a}, {name: b}]", "edges: .* has one edge"),
        ("devices.0.parallel=false", "parallel"),
        ("timeline=[{at_s: 5, users: 3}]", "timeline"),
        ("channel.frame_bytes=null", "frame_bytes"),
        ("channel.total_mhz=90", "total_mhz"),
        ("reuse.tolerance=null", "reuse.tolerance: .* measured limits"),
        ("model.profile=cpu", "encoding and decoding"),
        ("edges.0.max_batch=16", "max_batch: 16 .* set 100 or more"),
        ("edges.0.queue_limit=16", "queue_limit: 16"),
        ("edges.0.staging=80KB", "staging: 9 outputs fit"),
    ],
)
def test_what_the_closed_model_has_no_word_for_is_refused_by_its_key(
    setting: str, reason: str
) -> None:
    with pytest.raises(ScenarioError, match=reason):
        preset_of(load("paper", [setting]))


def test_a_run_that_ends_within_a_slot_is_refused() -> None:
    with pytest.raises(ScenarioError, match=r"duration_s: 10.5 s ends within a slot"):
        slots_of(load("paper", ["duration_s=10.5", "warmup_s=2"]))
