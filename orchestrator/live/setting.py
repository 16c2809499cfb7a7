"""A policy's problem in a live run, and the settings that a learner's state depends on."""

from __future__ import annotations

from typing import Any

from midstep.diffusion import pipelines
from midstep.diffusion.factory import paced_identity
from midstep.errors import ScenarioError
from midstep.scenario import Scenario
from midstep.wire.identity import digest
from midstep.workload.requests import find_catalogue
from orchestrator import policies
from orchestrator.decision.problem import Problem

__all__ = [
    "asks_whole_prompt",
    "learner_setting",
    "pipeline_revision",
    "run_problem",
    "run_split_step",
]


def run_split_step(scenario: Scenario) -> int:
    """Where the edge stops: the scenario's split step, or the last step where finished pictures are
    cached."""
    final = policies.chosen(scenario.policy).stores == "final"
    return scenario.model.steps if final else scenario.model.split_step


def asks_whole_prompt(scenario: Scenario) -> bool:
    """Whether the edge is asked for the user's whole prompt instead of its core."""
    if policies.chosen(scenario.policy).stores != "intermediate":
        return True
    return scenario.model.split_step == scenario.model.steps


def run_problem(scenario: Scenario, frame_bytes: int = 0) -> Problem:
    """The policy's problem in a live run; `frame_bytes` is what the store counts for one output,
    where the edge is open and knows it.

    Raises ScenarioError for `reactive`: nobody sees a live slot's requests before they come.
    """
    if scenario.policy.timing == "reactive":
        raise ScenarioError("policy.timing: a live run plans ahead of its requests; set proactive")
    items = None
    parts = None
    if scenario.workload.draws_from_catalogue:
        catalogue = find_catalogue(scenario)
        items = scenario.workload.catalogue_size or len(catalogue.edge_prompts)
        if asks_whole_prompt(scenario):
            items *= len(catalogue.endings)
        else:
            parts = catalogue.parts
    step = run_split_step(scenario)
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


def learner_setting(scenario: Scenario, revision: str | None) -> dict[str, Any]:
    """The settings that a learner's state depends on, flat: a state is refused where one differs.

    Prompt keys are made of the pipeline and the prompt: `revision` is the pipeline's, None where
    nobody here can know it.
    """
    problem = run_problem(scenario)
    model = scenario.model.model_dump(mode="json", exclude={"device", "profile"})
    return {
        "policy.name": scenario.policy.name,
        "policy.params": scenario.policy.params,
        "seed": scenario.seed,
        **{f"model.{key}": value for key, value in model.items()},
        "modes.edge": problem.edge,
        "modes.denoiser": scenario.modes.denoiser,
        "policy.timing": problem.timing,
        "users": problem.users,
        "catalogue": problem.items,
        "edge_prompts": _edge_prompts(scenario),
        **({} if revision is None else {"model.revision": revision}),
    }


def pipeline_revision(scenario: Scenario) -> str | None:
    """The revision of the outputs that the scenario's edges will make; reads the model's files, and
    is None for a hub id that is not on this machine."""
    if scenario.modes.denoiser == "paced":
        return paced_identity(scenario.model).revision
    try:
        return pipelines.revision(pipelines.locate(scenario.model.path))
    except OSError:  # the hub's: no such snapshot here
        return None


def _edge_prompts(scenario: Scenario) -> str | None:
    """A digest of the prompts that edges may be asked for; None where others are asked for, too."""
    if not scenario.workload.draws_from_catalogue:
        return None
    prompts = find_catalogue(scenario).edge_prompts
    return digest(list(prompts[: scenario.workload.catalogue_size]))
