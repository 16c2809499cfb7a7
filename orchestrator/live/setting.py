"""From a scenario to what its policy is up against, and to what a learner's state depends on."""

from __future__ import annotations

from typing import Any

from midstep.errors import ScenarioError
from midstep.scenario import Scenario
from midstep.workload.requests import find_catalogue
from orchestrator import policies
from orchestrator.decision.problem import Problem


def split_step(scenario: Scenario) -> int:
    """Where the edge stops: the scenario's split step, or the last step where finished pictures are
    cached."""
    final = policies.find(scenario.policy.name).stores == "final"
    return scenario.model.steps if final else scenario.model.split_step


def whole(scenario: Scenario) -> bool:
    """Whether the edge is asked for the user's whole prompt instead of its core."""
    return policies.find(scenario.policy.name).stores == "final"


def problem(scenario: Scenario, frame_bytes: int = 0) -> Problem:
    """The policy's problem; `frame_bytes` is what the store counts for one output, where the edge
    has told it.

    Raises ScenarioError for `reactive`: nobody sees a live slot's requests before they come.
    """
    if scenario.policy.timing == "reactive":
        raise ScenarioError("policy.timing: a live run plans ahead of its requests; set proactive")
    items = None
    parts = None
    if scenario.workload.prompts is None:
        catalogue = find_catalogue(scenario)
        items = scenario.workload.catalogue_size or len(catalogue.edge_prompts)
        items, parts = (
            (items * len(catalogue.endings), None) if whole(scenario) else (items, catalogue.parts)
        )
    step = split_step(scenario)
    return Problem(
        scenario.edge.capacity,
        scenario.model.steps,
        step,
        frame_bytes=frame_bytes or scenario.edge.capacity,
        reusable_steps=step,
        items=items,
        users=scenario.users,
        edge=scenario.modes.edge,
        timing=scenario.policy.timing,
        parts=parts,
    )


def setting(scenario: Scenario) -> dict[str, Any]:
    """What a learner's state depends on, flat: where one of these differs, what was learnt does not
    fit."""
    asked = problem(scenario)
    model = scenario.model.model_dump(mode="json", exclude={"device", "profile"})
    return {
        "policy.name": scenario.policy.name,
        "seed": scenario.seed,
        **{f"model.{k}": v for k, v in model.items()},
        "modes.edge": asked.edge,
        "policy.timing": asked.timing,
        "users": asked.users,
        "catalogue": asked.items,
    }
