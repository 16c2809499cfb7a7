"""The closed model's preset of a coupled scenario: the same world, prompt by prompt, slot by slot.

What the closed model has no word for is refused by its key, one line each, so that nothing is
passed over in silence.
"""

from __future__ import annotations

from collections.abc import Iterator

from midstep.diffusion.factory import named_profile
from midstep.diffusion.paced import PACED_BYTES
from midstep.diffusion.profile import StepProfile
from midstep.errors import ScenarioError
from midstep.scenario import Radio, Scenario
from midstep.workload.requests import find_catalogue
from orchestrator.evaluation.simulator.presets import Preset, preset_from

__all__ = ["preset_of", "slots_of"]

DIGITS = 12  # of a frequency that is made of times: 20.000000000000004 GHz is 20


def preset_of(scenario: Scenario) -> Preset:
    """The preset whose lane of seed `scenario.seed` is this scenario's world. Raises ScenarioError,
    one line with the key, for what it has and the closed model has not."""
    if scenario.modes.edge != "coupled":
        raise ScenarioError(
            f"modes.edge: {scenario.modes.edge} is not what the closed model plays; set coupled"
        )
    if scenario.model.profile is None:
        raise ScenarioError(
            "model.profile: the closed model needs step times; set model.profile=paper"
        )
    profile = named_profile(scenario.model)
    items = _items(scenario)
    problem = next(_untranslatable(scenario, profile, items), None)
    if problem is not None:
        raise ScenarioError(problem)
    slotted = scenario.workload.arrivals.slotted
    frame_bytes = scenario.channel.frame_bytes
    assert slotted is not None and frame_bytes is not None  # _untranslatable, Scenario
    devices = scenario.devices[0]
    target_s = scenario.policy.latency_target_s
    edge_s = profile.step(1)
    edge_ghz = 8e-9 * frame_bytes / edge_s
    return preset_from(
        {
            "name": scenario.name,
            "edge": "coupled",
            "timing": "reactive",
            "users": devices.count,
            "items": items,
            "requests_per_user": slotted.per_user,
            "zipf": scenario.workload.popularity.zipf,
            "drift_swaps_per_slot": scenario.workload.drift_swaps_per_slot,
            "capacity": scenario.edge.capacity // (profile.frame_bytes or PACED_BYTES),
            "steps": scenario.model.steps,
            "reusable_steps": scenario.last_step,
            "split_step": scenario.last_step,
            "tolerance": scenario.reuse.tolerance == "paper",
            "weight_v": scenario.policy.weight_v,
            "latency_target_ms": None if target_s is None else 1e3 * target_s,
            "frame_kb": frame_bytes / 1e3,
            "edge_ghz": _rounded(edge_ghz),
            "device_ghz": _rounded(edge_ghz * devices.ratio_to(edge_s)),
            "bandwidth_mhz": devices.bandwidth_mhz,
            "distance_m": devices.distance_m,
            "radio": scenario.channel.model_dump(include=set(Radio.model_fields)),
            "slot_seconds": scenario.slot_seconds,
        },
        scenario.name,
    )


def slots_of(scenario: Scenario) -> tuple[int, int]:
    """Slots of a run in all, and how many of them warm up. Raises ScenarioError where the run or
    its warm-up ends within a slot."""
    tau = scenario.slot_seconds
    counts = []
    for key, seconds in (("duration_s", scenario.duration_s), ("warmup_s", scenario.warmup_s)):
        count = round(seconds / tau)
        if abs(seconds - count * tau) > 1e-6 * tau:
            raise ScenarioError(
                f"{key}: {seconds:g} s ends within a slot of {tau:g} s; give a multiple"
            )
        counts.append(count)
    return counts[0], counts[1]


def _untranslatable(scenario: Scenario, profile: StepProfile, items: int) -> Iterator[str]:
    """What the closed model has no word for, a line each."""
    edge = scenario.edge
    devices = scenario.devices[0]
    model = "the closed model"
    if len(scenario.edges) > 1:
        yield f"edges: {model} has one edge, the scenario {len(scenario.edges)}"
    if len(scenario.devices) > 1:
        yield f"devices: {model} has one class of devices, the scenario {len(scenario.devices)}"
    if not devices.parallel:
        yield (
            f"devices.0.parallel: in {model} a device's own requests do not wait for each other; "
            f"set true"
        )
    if scenario.timeline:
        yield f"timeline: in {model} nobody comes or goes; leave it out"
    if scenario.channel.frame_bytes is None:
        yield f"channel.frame_bytes: {model} has one size D of all frames; set 500KB, or another"
    if scenario.channel.total_mhz is not None:
        yield f"channel.total_mhz: in {model} each user has its own bandwidth; set null"
    if scenario.workload.private_share:
        yield f"workload.private_share: in {model} all outputs are shared; set 0"
    if scenario.reuse.tolerance is None and _has_limits(scenario):
        yield (
            f"reuse.tolerance: {model} does not know a model's measured limits; set paper, or let "
            f"all ask for the core prompts alone (workload.plain_share=1, variation_share=0)"
        )
    if profile.encode_s or profile.decode_s:
        yield (
            f"model.profile: {scenario.model.profile} has times of encoding and decoding; {model} "
            f"has steps alone, as the profile paper"
        )
    if profile.step(1) != profile.step(items):
        yield (
            f"model.profile: a step of {scenario.model.profile} takes longer in a batch; {model} "
            f"has one time for all, as the profile paper"
        )
    for key, limit in (("max_batch", edge.max_batch), ("queue_limit", edge.queue_limit)):
        if limit < items:
            yield (
                f"edges.0.{key}: {limit} outputs at once; nothing waits at the edge of {model}: "
                f"set {items} or more"
            )
    room = edge.staging // (profile.frame_bytes or PACED_BYTES)
    if room < items:
        yield (
            f"edges.0.staging: {room} outputs fit; in {model} all {items} of a slot may: set more"
        )


def _has_limits(scenario: Scenario) -> bool:
    """Whether a request may want less than the whole of an output."""
    workload = scenario.workload
    return workload.plain_share < 1 or workload.variation_share > 0


def _items(scenario: Scenario) -> int:
    """R, prompts of the catalogue that are asked for."""
    return scenario.workload.catalogue_size or len(find_catalogue(scenario).edge_prompts)


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
