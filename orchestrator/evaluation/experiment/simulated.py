"""A point in the slotted simulator: the scenario's own policy and seed."""

from __future__ import annotations

from math import isfinite
from pathlib import Path

import yaml

from midstep.scenario import Scenario
from orchestrator import policies
from orchestrator.evaluation.simulator.command import is_open, run
from orchestrator.evaluation.simulator.scenarios import preset_of
from orchestrator.records import summary
from orchestrator.records.folders import SCENARIO, write_at_once
from orchestrator.records.recorder import versions

__all__ = ["check", "play"]

LEAST_SLOTS = 10


def check(scenario: Scenario) -> None:
    """Raise MidstepError where the simulator refuses the scenario or its policy."""
    policies.find(scenario.policy.name, "simulate")
    preset_of(scenario)


def play(scenario: Scenario, folder: Path) -> None:
    """Simulate as many slots as the scenario's duration has, after half as many (a fifth in closed
    catalogues) that are not measured; write scenario.yaml and summary.json. Raises MidstepError,
    OSError."""
    check(scenario)
    preset = preset_of(scenario)
    measured = max(LEAST_SLOTS, round(scenario.duration_s / preset.slot_seconds))
    warmup = measured if is_open(preset) else measured // 4
    name = scenario.policy.name
    results = run(preset, [name], [scenario.seed], measured + warmup, warmup)
    metrics = {
        metric: {"mean": float(values[0]) if isfinite(values[0]) else None, "ci95": None}
        for metric, values in results[name].items()
    }
    folder.mkdir(parents=True, exist_ok=True)
    text = scenario.dump() + yaml.safe_dump({"versions": versions()}, sort_keys=True)
    write_at_once(folder / SCENARIO, text)
    about = {
        "name": scenario.name,
        "seed": scenario.seed,
        "preset": preset.model_dump(mode="json"),
        "slots": measured + warmup,
        "warmup": warmup,
        "versions": versions(),
    }
    summary.write(folder, {"policies": {name: metrics}, "run": about, "verdict": "VALID"})
