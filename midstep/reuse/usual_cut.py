"""The cut that a scenario's requests usually have, for estimates of load."""

from __future__ import annotations

from midstep.reuse.limits import open_limits
from midstep.scenario import Scenario
from midstep.workload.requests import open_workload

__all__ = ["usual_cut"]

SAMPLE = 256  # requests that are looked at


def usual_cut(scenario: Scenario) -> float:
    """Mean step at which requests are handed over: the split step under a fixed rule, else the mean
    reuse limit of the first requests, which no rule goes beyond. Raises ScenarioError."""
    if scenario.cut.rule == "fixed":
        return float(scenario.model.split_step)
    limits = open_limits(scenario)
    workload = open_workload(scenario)
    users = min(scenario.users, SAMPLE)
    requests = [workload.user_request(n % users, n // users, 0) for n in range(SAMPLE)]
    cuts = [limits.limit(request) for request in requests if request is not None]
    return sum(cuts) / len(cuts) if cuts else float(scenario.model.split_step)
