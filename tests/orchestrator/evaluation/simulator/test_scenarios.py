"""A scenario as a setting of the slotted model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from midstep import scenario_file as scenarios
from midstep.diffusion.factory import named_profile
from midstep.errors import ScenarioError
from orchestrator.evaluation.simulator.command import is_open, run
from orchestrator.evaluation.simulator.scenarios import default_policies, preset_of
from tests import paced


def test_the_times_are_those_that_a_run_would_be_paced_by() -> None:
    scenario = scenarios.load("saturated")
    preset = preset_of(scenario)
    step_s = named_profile(scenario.model).step(1)
    assert is_open(preset) and preset.users == 120 and preset.items == 200
    assert preset.slot_seconds == pytest.approx(12.0)  # five a minute: one request a user and slot
    assert preset.drift_swaps_per_slot == pytest.approx(0.2 * 12)
    assert preset.frame_bits / (preset.edge_ghz * 1e9) == pytest.approx(step_s)
    assert preset.frame_bits / (preset.device_ghz * 1e9) == pytest.approx(step_s / 0.075)
    assert preset.capacity == 256_000 // 8192


def test_it_can_be_simulated_and_a_cache_helps() -> None:
    figures = run(preset_of(scenarios.load("saturated")), ["none", "lru"], [1], 20, 10)
    assert figures["lru"]["hit_ratio"][0] > 0.05 == figures["none"]["hit_ratio"][0] + 0.05
    assert figures["lru"]["response_ms"][0] < figures["none"]["response_ms"][0]


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("workload.prompts=x.txt", "midstep replay"),
        ("model.profile=null", "needs measured step times"),
        ("workload.private_share=0.5", "workload.private_share: the slotted model has no private"),
        ("timeline=[{at_s: 5, users: 9}]", "timeline: the slotted model's users stay"),
        ("policy.timing=reactive", "policy.timing: a scenario is simulated with plans made ahead"),
    ],
)
def test_what_the_model_does_not_have_is_said_in_one_line(setting: str, message: str) -> None:
    with pytest.raises(ScenarioError, match=message):
        preset_of(scenarios.load("saturated", [setting, "modes.denoiser=real"]))


def test_a_channel_is_simulated_as_it_is_set() -> None:
    preset = preset_of(scenarios.load("saturated", ["channel.power_w=5", "channel.fading=false"]))
    assert preset.radio.power_w == 5 and not preset.radio.fading
    assert preset.radio.carrier_mhz == 915


def test_a_store_holds_what_the_models_outputs_leave_room_for(tmp_path: Path) -> None:
    """FAULTS 13: every output was taken for 8,192 bytes, whatever the model."""
    path = tmp_path / "large.json"
    replace(paced.PROFILE, frame_bytes=65536).save(path)
    settings = [f"model.profile={path}", "channel.frame_bytes=null", "edges.0.capacity=2MB"]
    preset = preset_of(scenarios.load("saturated", settings))
    assert preset.capacity == 2_000_000 // 65536
    assert preset.frame_bits == 8 * 65536
    assert preset_of(scenarios.load("saturated")).capacity == 256_000 // 8192


def test_the_scenarios_own_policy_is_compared_by_default() -> None:
    """FAULTS 14: policy.name was ignored."""
    scenario = scenarios.load("saturated", ["policy.name=gdsf"])
    names = default_policies(scenario, preset_of(scenario))
    assert names[0] == "gdsf" and {"lru", "s3-fifo"} <= set(names)
    final = scenarios.load("saturated", ["policy.name=final"])
    with pytest.raises(ScenarioError, match=r"final .* name others with --policies"):
        default_policies(final, preset_of(final))
