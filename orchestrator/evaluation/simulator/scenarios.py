"""A live run's scenario as a setting of the slotted model: `midstep simulate FILE` foretells
`midstep run FILE`."""

from __future__ import annotations

from pathlib import Path

from midstep.diffusion import pipelines
from midstep.diffusion.factory import named_profile
from midstep.diffusion.paced import PACED_BYTES
from midstep.errors import MidstepError, ScenarioError
from midstep.scenario import Radio, Scenario
from midstep.workload.load import between_requests_s
from midstep.workload.requests import find_catalogue
from orchestrator.evaluation.simulator.presets import COMPARED, Preset, preset_from
from orchestrator.evaluation.simulator.topics import open_stream

__all__ = ["default_policies", "preset_of"]


def preset_of(scenario: Scenario) -> Preset:
    """The open, contended model with the scenario's users, catalogue, law, edge and link. A slot is
    as long as a user takes between two requests, so that each asks once a slot. Raises
    ScenarioError for what the model does not have and what would change its figures.
    """
    _refuse(scenario)
    devices = scenario.devices[0]
    model = scenario.model
    edge = scenario.edge
    profile = named_profile(model)
    step_s = profile.step(1)
    output_bytes = profile.frame_bytes or PACED_BYTES
    bits = 8.0 * (scenario.channel.frame_bytes or output_bytes)
    edge_ghz = bits / step_s / 1e9  # so that (4) and (5) take the measured times
    slot_s = between_requests_s(scenario, devices, step_s)
    return preset_from(
        dict(
            name=scenario.name,
            edge="shared",
            timing="proactive",
            users=scenario.users,
            items=scenario.workload.catalogue_size or len(find_catalogue(scenario).edge_prompts),
            requests_per_user=1,
            distinct=False,
            zipf=scenario.workload.popularity.zipf,
            drift_swaps_per_slot=scenario.workload.drift_swaps_per_slot
            * slot_s
            / scenario.slot_seconds,
            capacity=edge.capacity // output_bytes,
            steps=model.steps,
            reusable_steps=model.split_step,
            split_step=model.split_step,
            tolerance=False,
            frame_kb=bits / 8e3,
            edge_ghz=edge_ghz,
            device_ghz=edge_ghz * devices.ratio_to(step_s),
            bandwidth_mhz=devices.bandwidth_mhz,
            distance_m=devices.distance_m,
            radio=scenario.channel.model_dump(include=set(Radio.model_fields)),
            slot_seconds=slot_s,
            max_batch=edge.max_batch,
            profile=str(_profile_file(scenario)),
            latency_target_ms=None
            if scenario.policy.latency_target_s is None
            else 1e3 * scenario.policy.latency_target_s,
        ),
        scenario.name,
    )


def default_policies(scenario: Scenario, preset: Preset) -> list[str]:
    """What is compared where nothing is named: the scenario's own policy and the usual ones. Raises
    ScenarioError where the model cannot play the scenario's own."""
    from orchestrator.evaluation.simulator.lanes import open_lane

    own = scenario.policy.name
    try:
        open_lane(own, preset, open_stream(preset, 0), 0, [preset.capacity])
    except MidstepError as error:
        raise ScenarioError(f"{error}; name others with --policies") from error
    return [own, *COMPARED[preset.timing].split(",")]


def _refuse(scenario: Scenario) -> None:
    """Raise ScenarioError for what the slotted model does not have."""
    if scenario.workload.prompts is not None:
        raise ScenarioError(
            "workload.prompts: a list of prompts is played by `midstep replay`; simulate draws "
            "prompts"
        )
    if scenario.workload.private_share > 0:
        raise ScenarioError(
            "workload.private_share: the slotted model has no private requests; set it to 0, or "
            "play the run with `midstep run --clock virtual`"
        )
    if scenario.timeline:
        raise ScenarioError(
            "timeline: the slotted model's users stay; set timeline=[], or play the run with "
            "`midstep run --clock virtual`"
        )
    if scenario.policy.timing != "proactive":
        raise ScenarioError(
            f"policy.timing: a scenario is simulated with plans made ahead (proactive), not "
            f"{scenario.policy.timing}"
        )
    if len(scenario.edges) != 1:
        raise ScenarioError(
            f"edges: the slotted model has one edge, the scenario {len(scenario.edges)}"
        )
    if len(scenario.devices) != 1:
        raise ScenarioError(
            f"devices: the slotted model has one class of devices, the scenario "
            f"{len(scenario.devices)}"
        )
    if scenario.model.profile is None:
        raise ScenarioError(
            "model.profile: the slotted model needs measured step times; set model.profile=cpu"
        )


def _profile_file(scenario: Scenario) -> Path:
    own = (
        Path(pipelines.locate(scenario.model.path)) / "profiles" / f"{scenario.model.profile}.json"
    )
    return own if own.is_file() else Path(str(scenario.model.profile))
