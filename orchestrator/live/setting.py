"""A policy's problem in a live run, and the settings that a learner's state depends on."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import numpy as np

from midstep.diffusion import pipelines
from midstep.diffusion.factory import named_profile, paced_identity
from midstep.draws import BANDWIDTH, uniforms
from midstep.errors import ScenarioError
from midstep.radio.channel_law import bandwidth_hz
from midstep.scenario import Scenario
from midstep.wire.identity import digest
from midstep.workload.requests import find_catalogue
from orchestrator import policies
from orchestrator.decision.problem import Problem
from orchestrator.decision.step_times import StepTimes
from orchestrator.policies import Policy
from orchestrator.policies.kinds.price_planner import price_planner

if TYPE_CHECKING:
    from orchestrator.live.reactive_learner import Coupled

__all__ = [
    "asks_whole_prompt",
    "asks_whole_prompts",
    "learner_setting",
    "pipeline_revision",
    "resolve_cut_rule",
    "run_coupled",
    "run_policy",
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


def asks_whole_prompts(scenario: Scenario) -> bool:
    """Whether requests share no core: by the policy, or as the workload has it. A table's column
    `core` may say otherwise."""
    return asks_whole_prompt(scenario) or scenario.workload.core == "whole"


def resolve_cut_rule(scenario: Scenario) -> str:
    """The name of the rule by which edges cut: `fixed` where whole pictures are made, as
    `edge_node.cut.open_rule` has it, and where the edge is coupled; `auto` is `planned` where the
    policy plans steps, else `considerate`. Raises ScenarioError where a plan is needed that the
    policy does not make."""
    if scenario.modes.edge == "coupled":
        return "fixed"  # the slot's plan says where each prompt is cut
    cls = policies.chosen(scenario.policy)
    rule = scenario.cut.rule
    if rule == "planned" and not cls.plans_steps:
        names = [name for name in policies.usable("live") if policies.find(name).plans_steps]
        planning = [name for name in names if "coupled" not in policies.find(name).needs]
        raise ScenarioError(
            f"cut.rule: planned needs a policy that plans steps, and {cls.name} does not: set "
            f"cut.rule: auto, or one of {', '.join(planning)}"
        )
    if run_split_step(scenario) == scenario.model.steps:
        return "fixed"
    if rule == "auto":
        return "planned" if cls.plans_steps else "considerate"
    return rule


def run_problem(scenario: Scenario, frame_bytes: int = 0) -> Problem:
    """The policy's problem in a live run; `frame_bytes` is what the store counts for one output,
    where the edge is open and knows it.

    Raises ScenarioError for `reactive` at an edge that is not coupled: nobody sees its requests
    before they are served; where prompts that are not to leave the devices would be asked for in
    full; and as `resolve_cut_rule` does.
    """
    if scenario.modes.edge == "coupled":
        return _coupled_problem(scenario, frame_bytes)
    if scenario.policy.timing == "reactive":
        raise ScenarioError(
            "policy.timing: reactive plans for requests that wait; set modes.edge: coupled with "
            "it, or proactive"
        )
    if scenario.reuse.privacy == "core" and asks_whole_prompt(scenario):
        raise ScenarioError(
            f"reuse.privacy: core: policy {scenario.policy.name} asks edges for users' prompts in "
            f"full; take one that stores intermediate outputs, or open"
        )
    items = None
    parts = None
    if scenario.workload.draws_from_catalogue:
        catalogue = find_catalogue(scenario)
        items = scenario.workload.catalogue_size or len(catalogue.edge_prompts)
        if asks_whole_prompts(scenario):
            items *= len(catalogue.endings)
        else:
            parts = catalogue.parts
    step = run_split_step(scenario)
    rule = resolve_cut_rule(scenario)
    decided = rule != "fixed"
    return Problem(
        scenario.edge.capacity,
        scenario.model.steps,
        step,
        frame_bytes=frame_bytes or scenario.edge.capacity,
        reusable_steps=scenario.model.steps if decided else step,
        items=items,
        users=scenario.users,
        edge=scenario.modes.edge,
        timing=scenario.policy.timing,
        weight_v=scenario.policy.weight_v,
        parts=parts,
        times=_step_times(scenario) if decided else None,
        cut_rule=rule,
        several=scenario.policy.steps_per_prompt == "several",
    )


def run_policy(scenario: Scenario) -> Policy:
    """The policy object of a live run: where the edge is coupled, the planner by price that stands
    for the policy. Raises ScenarioError where there is none."""
    policy = policies.make(scenario.policy)
    if scenario.modes.edge != "coupled":
        return policy
    planner = price_planner(policy)
    assert planner is not None  # policies.check
    return planner


def run_coupled(scenario: Scenario, frame_bytes: int) -> Coupled:
    """What the learner of a coupled edge knows beside its problem. `frame_bytes` is what the store
    counts for one output, and on the air where the scenario does not say."""
    from orchestrator.live.reactive_learner import Coupled
    from orchestrator.live.slot_planner import SlotSetting

    return Coupled(
        setting=SlotSetting(
            prompts=find_catalogue(scenario).edge_prompts,
            frame_bits=8.0 * (scenario.channel.frame_bytes or frame_bytes),
            bandwidth_hz=np.array(_bandwidths_hz(scenario)),
            seed=scenario.seed,
            tolerant=scenario.reuse.tolerance == "paper",
        ),
        slot_seconds=scenario.slot_seconds,
        tick_s=_step_times(scenario).tick_s,
    )


def _coupled_problem(scenario: Scenario, frame_bytes: int) -> Problem:
    """The problem of the paper's slot, as the simulator's lanes have it: prompts are numbered by
    their places in the catalogue, and a policy's keys are these numbers. Raises ScenarioError."""
    last = scenario.last_step
    steps = scenario.model.steps
    if scenario.model.split_step == steps:
        raise ScenarioError(
            "model.split_step: a coupled edge hands over in mid-step, what it keeps is shared; set "
            f"it below model.steps ({steps})"
        )
    return Problem(
        scenario.edge.capacity,
        steps,
        last,
        frame_bytes=frame_bytes or scenario.edge.capacity,
        reusable_steps=last,
        items=scenario.workload.catalogue_size or len(find_catalogue(scenario).edge_prompts),
        users=scenario.users,
        edge="coupled",
        timing="reactive",
        weight_v=scenario.policy.weight_v,
        number=int,
    )


def _step_times(scenario: Scenario) -> StepTimes:
    """What is known of times before the first request."""
    tick_s: tuple[float, ...] = ()
    decode_s = 0.0
    if scenario.model.profile is not None:
        # on a cluster a file need not lie here: the edge's own work says then what ticks take
        with contextlib.suppress(ScenarioError):
            profile = named_profile(scenario.model)
            tick_s = tuple(profile.step(b) for b in range(1, scenario.edge.max_batch + 1))
            decode_s = profile.decode_s
    return StepTimes(
        tick_s=tick_s,
        decode_s=decode_s,
        air_bits=8.0 * (scenario.channel.frame_bytes or 0),
        bandwidth_hz=_bandwidths_hz(scenario),
    )


def _bandwidths_hz(scenario: Scenario) -> tuple[float, ...]:
    """W_n of the users that a run begins with; who comes by scale has no place among them."""
    drawn = uniforms(scenario.seed, BANDWIDTH, 0, np.arange(scenario.users))
    every: list[float] = []
    for devices in scenario.devices:
        of_class = drawn[len(every) : len(every) + devices.count]
        every += bandwidth_hz(devices.bandwidth_mhz, of_class).tolist()
    return tuple(every)


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
        **({"reuse.last_step": problem.last_step} if problem.edge == "coupled" else {}),
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
