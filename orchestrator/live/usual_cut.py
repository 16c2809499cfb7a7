"""The cut that a run's requests usually have, for estimates of load."""

from __future__ import annotations

from midstep.reuse.limits import open_limits
from midstep.scenario import Scenario
from midstep.workload.requests import open_workload
from orchestrator.live.setting import asks_whole_prompt, run_split_step

__all__ = ["usual_cut"]

SAMPLE = 256  # requests that are looked at


def usual_cut(scenario: Scenario) -> float:
    """Mean step at which the first requests are handed over: their reuse limits, which no rule goes
    beyond, and no further than the split step under a fixed rule; S where finished pictures are
    cached. Raises ScenarioError, ModelError."""
    steps = scenario.model.steps
    split_step = run_split_step(scenario)
    if split_step == steps:
        return float(steps)
    furthest = split_step if scenario.cut.rule == "fixed" else steps
    whole_prompt = asks_whole_prompt(scenario)
    limits = open_limits(scenario)
    workload = open_workload(scenario)
    users = min(scenario.users, SAMPLE)
    cuts = []
    for number in range(SAMPLE):
        request = workload.user_request(number % users, number // users, 0)
        if request is None:
            continue
        limit = limits.limit(request.in_full() if whole_prompt else request)
        cuts.append(min(furthest, limit))
    return sum(cuts) / len(cuts) if cuts else float(split_step)
