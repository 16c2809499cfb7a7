"""A point in the event simulator: the scenario's own policy and seed."""

from __future__ import annotations

from pathlib import Path

from midstep.scenario import Scenario
from midstep.workload.requests import read_requests, with_requests
from orchestrator import policies
from orchestrator.evaluation.simulator import events
from orchestrator.live.setting import run_problem

__all__ = ["check", "play"]


def check(scenario: Scenario) -> None:
    """Raise MidstepError where the simulator refuses the scenario or its policy."""
    events.check(scenario)
    scenario = with_requests(scenario, read_requests(scenario))
    policies.check(scenario.policy.name, run_problem(scenario), "live")
    policies.make(scenario.policy)


def play(scenario: Scenario, folder: Path) -> None:
    """Simulate the scenario and leave its record. Raises MidstepError, OSError."""
    check(scenario)
    events.write_record(folder, scenario, events.simulate(scenario))
