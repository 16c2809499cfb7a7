"""Lbar of a coupled scenario, before its launch."""

from __future__ import annotations

import pytest

from midstep.errors import ScenarioError
from midstep.scenario_file import load
from orchestrator import roads
from orchestrator.evaluation.simulator.compare import play_all
from orchestrator.evaluation.simulator.presets import find


def test_lbar_is_the_closed_models_own_for_this_seed_and_setting() -> None:
    short = ["seed=3", "duration_s=20", "warmup_s=4", "devices.0.count=6"]
    scenario = roads.calibrated(load("paper", short))
    preset = find("compact", ["users=6"])
    greedy = play_all([(preset, 3)], ["greedy"], 20, 4)["greedy"]
    assert scenario.policy.latency_target_s == greedy.target_s[0]
    assert roads.calibrated(scenario) is scenario
    assert roads.calibrated(load("laptop")).policy.latency_target_s is None


def test_what_cannot_be_calibrated_wants_an_lbar_of_its_own() -> None:
    split = ["channel.total_mhz=90"]
    with pytest.raises(ScenarioError, match=r"latency_target_s: null .* \(channel.total_mhz"):
        roads.calibrated(load("paper", split))
    given = roads.calibrated(load("paper", [*split, "policy.latency_target_s=.06"]))
    assert given.policy.latency_target_s == 0.06
