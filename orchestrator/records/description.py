"""The report's section "What was run": everything of the scenario that a paper has to name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from midstep.events import Event
from midstep.scenario import Devices, EdgeSettings, Model, Scenario, Workload
from orchestrator.records.arrivals import arrivals_with_keys

__all__ = ["describe"]

Rows = Sequence[dict[str, Any]]
Line = tuple[str, str]


def describe(scenario: Scenario, run: Mapping[str, Any], slots: Rows) -> list[Line]:
    """Name and value of each thing, in the order of the page. `run` is the summary's tree of that
    name."""
    lines: list[Line] = [
        ("scenario", f"{scenario.name}, seed {scenario.seed}"),
        ("time", _time(scenario)),
        *(("devices", _devices(group)) for group in scenario.devices),
        ("users", _users(scenario)),
        *(("event", _event(event)) for event in scenario.timeline),
        ("arrivals", _arrivals(scenario)),
        ("prompts", _prompts(scenario.workload)),
        ("link", _link(scenario)),
    ]
    for edge in scenario.edges:
        name = "edge" if len(scenario.edges) == 1 else f"edge {edge.name}"
        its_slots = [slot for slot in slots if slot["edge"] == edge.name]
        lines.append((name, _edge(edge, its_slots)))
    resumed = run.get("resumed_from")
    return [
        *lines,
        ("cut", _cut(scenario)),
        *([("like prompts", _similar(scenario))] if scenario.reuse.similar is not None else []),
        ("policy", _policy(scenario)),
        ("target of Q", _target(scenario)),
        *([("resumed from", str(resumed))] if resumed else []),
        ("model", _model(scenario.model, run.get("pipeline") or {})),
        ("versions", ", ".join(f"{name} {number}" for name, number in run["versions"].items())),
    ]


def _time(scenario: Scenario) -> str:
    warmup_s = scenario.warmup_s
    warmup = f"the first {warmup_s:g} s recorded and not measured, " if warmup_s else ""
    return (
        f"{scenario.duration_s:g} s, {warmup}in slots of {scenario.slot_seconds:g} s; "
        f"deadline of a request {scenario.deadline_s:g} s"
    )


def _devices(group: Devices) -> str:
    edge = "" if group.edge is None else f", ask {group.edge}"
    return (
        f"{group.count} x {group.kind}: {_keys(group, 'kind', 'count', 'edge', 'bandwidth_mhz')}, "
        f"{_range(group.bandwidth_mhz)} MHz each{edge}"
    )


def _users(scenario: Scenario) -> str:
    return f"{scenario.users} in all, {scenario.hosts.devices_per_host} a process"


def _event(event: Event) -> str:
    """An event with the keys that its scenario sets."""
    keys = event.model_dump(mode="json", by_alias=True, exclude_defaults=True, exclude={"kind"})
    return f"{event.kind} ({', '.join(f'{key} {_value(value)}' for key, value in keys.items())})"


def _value(value: Any) -> str:
    """A value of an event; a tree on one line."""
    if isinstance(value, dict):
        return " ".join(f"{key} {_value(inner)}" for key, inner in value.items())
    return _plain(value) if isinstance(value, (bool, int, float, str)) else str(value)


def _arrivals(scenario: Scenario) -> str:
    arrivals = scenario.workload.arrivals
    return arrivals_with_keys(arrivals, _keys(getattr(arrivals, arrivals.law)))


def _prompts(workload: Workload) -> str:
    if workload.prompts is not None:
        return f"the list {workload.prompts}, in its order"
    size = "open" if workload.catalogue_size is None else f"{workload.catalogue_size:,} prompts"
    return (
        f"catalogue {workload.catalogue}, {size}; Zipf {workload.popularity.zipf:g}, "
        f"{workload.drift_swaps_per_slot:g} swaps of ranks a slot; "
        f"{_keys(workload, 'catalogue', 'catalogue_size', 'prompts', 'drift_swaps_per_slot')}"
    )


def _link(scenario: Scenario) -> str:
    channel = scenario.channel
    on_air = "its own size" if channel.frame_bytes is None else f"{channel.frame_bytes:,} bytes"
    fading = "Rayleigh block fading" if channel.fading else "no fading"
    keys = _keys(channel, "frame_bytes", "fading")
    return f"equation (6), {fading}, a frame has {on_air} on the air; {keys}"


def _edge(edge: EdgeSettings, slots: Rows) -> str:
    """Capacity in bytes and, by the mean size of what was stored, in outputs."""
    stored = [
        slot["store_bytes"] / slot["store_entries"] for slot in slots if slot.get("store_entries")
    ]
    outputs = ""
    if stored:
        size = float(np.median(stored))
        outputs = f" ({edge.capacity // size:,.0f} outputs of {size:,.0f} bytes)"
    return (
        f"store {edge.capacity:,} bytes{outputs}, staging {edge.staging:,} bytes; queue limit "
        f"{edge.queue_limit}, at most {edge.max_batch} requests a step"
    )


def _cut(scenario: Scenario) -> str:
    reuse = scenario.reuse
    rule = f"rule {scenario.cut.rule}"
    if scenario.modes.edge == "coupled":
        rule = f"by each slot's plan, at step {scenario.last_step} at most"
    elif scenario.cut.rule == "fixed":
        rule = f"{rule} (step {scenario.model.split_step})"
    if reuse.tolerance is not None:
        return f"{rule}; what is held at step m serves with probability 1 - 0.05 max(0, m - 5)"
    quality = reuse.metric or "fidelity where it was measured, else ssim"
    floor = "" if reuse.floor is None else f" {reuse.floor:g} or more"
    return (
        f"{rule}, within each request's reuse limit: {quality}{floor} with a share of "
        f"{reuse.share:g}"
    )


def _similar(scenario: Scenario) -> str:
    reuse = scenario.reuse
    params = ", ".join(f"{name} {value}" for name, value in reuse.similar_params.items())
    rule = f"{reuse.similar} ({params})" if params else str(reuse.similar)
    return (
        f"other prompts' outputs serve by the rule {rule}; embedding {reuse.embedding}, privacy "
        f"{reuse.privacy}"
    )


def _policy(scenario: Scenario) -> str:
    policy = scenario.policy
    params = ", ".join(f"{name} {value}" for name, value in policy.params.items())
    held = "one step" if policy.steps_per_prompt == "one" else "several steps"
    source = "" if policy.source is None else f" of {policy.source.file}"
    return (
        f"{policy.name}{source}{f' ({params})' if params else ''}; timing {policy.timing}, "
        f"admission {policy.admission}; {held} of a prompt held"
    )


def _target(scenario: Scenario) -> str:
    target_s = scenario.policy.latency_target_s
    return "the first slots' mean" if target_s is None else f"{target_s:g} s"


def _model(model: Model, pipeline: Mapping[str, Any]) -> str:
    scheduler = pipeline.get("scheduler", model.scheduler)
    size = f", {pipeline['width']} x {pipeline['height']}" if "width" in pipeline else ""
    revision = f", revision {str(pipeline['revision'])[:12]}" if "revision" in pipeline else ""
    profile = "" if model.profile is None else f"; step times of profile {model.profile}"
    return (
        f"{model.path}{revision}: {model.steps} steps, guidance {model.guidance:g}, {scheduler}, "
        f"{model.dtype}{size}{profile}"
    )


def _keys(tree: Any, *without: str) -> str:
    """The keys of a part of the scenario that have plain values, as they are named there."""
    values = {name: getattr(tree, name) for name in type(tree).model_fields if name not in without}
    return ", ".join(
        f"{name} {_range(value) if isinstance(value, tuple) else _plain(value)}"
        for name, value in values.items()
        if isinstance(value, (bool, int, float, str, tuple))
    )


def _plain(value: bool | int | float | str) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _range(ends: tuple[Any, ...]) -> str:
    return " to ".join(_plain(end) for end in ends)
