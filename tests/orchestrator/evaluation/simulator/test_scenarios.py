"""A scenario as a setting of the slotted model."""

from __future__ import annotations

import pytest

from midstep import scenario_file as scenarios
from midstep.diffusion.factory import named_profile
from midstep.errors import ScenarioError
from orchestrator.evaluation.simulator.command import is_open, run
from orchestrator.evaluation.simulator.scenarios import preset_of


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
    told = run(preset_of(scenarios.load("saturated")), ["none", "lru"], [1], 20, 10)
    assert told["lru"]["hit_ratio"][0] > 0.05 == told["none"]["hit_ratio"][0] + 0.05
    assert told["lru"]["response_ms"][0] < told["none"]["response_ms"][0]


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("workload.prompts=x.txt", "midstep replay"),
        ("model.profile=null", "needs measured step times"),
    ],
)
def test_what_the_model_does_not_have_is_said_in_one_line(setting: str, said: str) -> None:
    with pytest.raises(ScenarioError, match=said):
        preset_of(scenarios.load("saturated", [setting, "modes.denoiser=real"]))
