"""summary.json: a run in numbers."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from midstep.diffusion.pace import MachinePace
from midstep.errors import RecordError
from midstep.json_text import parse_json
from midstep.scenario import Scenario, Threshold
from midstep.telemetry.record import RESULTS
from midstep.wire.messages import HITS
from orchestrator.records import fidelity, machine_pace, steps
from orchestrator.records.air_and_energy import out_of_battery
from orchestrator.records.event_effects import effects
from orchestrator.records.folders import write_at_once
from orchestrator.records.kept_quality import good_shares
from orchestrator.records.metrics import METRICS
from orchestrator.records.statistics import batch_means, percentile, plain
from orchestrator.records.versions import versions
from orchestrator.records.warm_up import after_warm_up

__all__ = ["RunFacts", "measured", "metrics", "missed", "read", "renew", "summarise", "write"]

Rows = Sequence[dict[str, Any]]
OF_REQUESTS = (
    "requests",
    "pictures",
    "compared pictures",
    "judged pictures",
    "checked pictures",
    "",
)  # what a metric is over, where devices have it
REASONS = 10  # that the summary tells; all are in the tables
REUSED = (*HITS, "shared")  # what is drawn on the device alone is no reuse


@dataclass(kw_only=True)
class RunFacts:
    """Facts of a run that its rows do not hold. `step_s`: each edge's seconds for one step of one
    request; `pace`: each edge's machine against its profile; `wall_s`: how long the command took;
    `cpu_share`: the machine's busy share; `pipeline`: the identity of its outputs; `resumed_from`:
    the run whose learner's state it began with; `policy_failures`: what policies died of, a line
    each. None, or no entry, where it is not known."""

    step_s: Mapping[str, float] = field(default_factory=dict)
    pace: Mapping[str, MachinePace] = field(default_factory=dict)
    wall_s: float | None = None
    cpu_share: float | None = None
    pipeline: Mapping[str, Any] | None = None
    resumed_from: str | None = None
    policy_failures: Sequence[str] = ()
    lost: Sequence[str] = ()  # what deaths that nobody planned have cost, a line each
    undisturbed: bool = False  # every host lived, and nobody interrupted the run


def summarise(
    scenario: Scenario, rows: Rows, slots: Rows, events: Rows, facts: RunFacts
) -> dict[str, Any]:
    """The summary's tree (docs/record.md), of what came after the warm-up."""
    around = effects(scenario, rows, slots, events)
    rows, slots = measured(scenario, rows, slots)
    errors = fidelity.measure(rows, slots, scenario.slot_seconds)
    done = [row for row in rows if row["result"] == "done"]
    names = [edge.name for edge in scenario.edges]
    of_edges = {
        name: metrics(
            [row for row in rows if row["edge"] == name],
            [slot for slot in slots if slot["edge"] == name],
            facts.step_s,
        )
        for name in names
    }
    return {
        "policies": {scenario.policy.name: metrics(rows, slots, facts.step_s)},
        **({"edges": of_edges} if len(names) > 1 else {}),
        **_classes(scenario, rows, facts.step_s),
        "run": {
            "name": scenario.name,
            "seed": scenario.seed,
            "seeds": [scenario.seed],
            "preset": scenario.name,
            "versions": versions(),
            "modes": scenario.modes.model_dump(),
            "policy": scenario.policy.model_dump(exclude={"source"}),
            "cut": scenario.cut.model_dump(),
            "reuse": scenario.reuse.model_dump(),
            "users": scenario.users,
            "arrivals": scenario.workload.arrivals.model_dump(mode="json", exclude_none=True),
            "duration_s": scenario.duration_s,
            "warmup_s": scenario.warmup_s,
            "status": None,  # of the command; a run that ended in order says it as its last
            "wall_s": None if facts.wall_s is None else round(facts.wall_s, 3),
            "step_s": next(iter(facts.step_s.values()), None),
            "pace": {edge: machine_pace.figures(pace) for edge, pace in facts.pace.items()},
            "pipeline": None if facts.pipeline is None else dict(facts.pipeline),
            "cpu_share": facts.cpu_share,
            "resumed_from": facts.resumed_from,
            "processes": len({row["process_id"] for row in done}),
            "trace": scenario.workload.trace or scenario.workload.prompts,
            "not_done": _not_done(rows),
            "events": list(events),
        },
        **({"effects": around} if around else {}),
        "fidelity": {error.part: error.dict() for error in errors},
        "verdict": fidelity.verdict(
            errors,
            len(done),
            [*facts.policy_failures, *steps.faults(rows, scenario.model.steps)],
            machine_pace.too_slow(facts.pace),
            fidelity.never_sent(rows) if facts.undisturbed else 0,
            facts.lost,
        ),
    }


def renew(tree: dict[str, Any], scenario: Scenario, rows: Rows, names: Sequence[str]) -> None:
    """Compute some metrics of requests anew from rows that have changed, into the summary's
    tree."""
    rows = after_warm_up(scenario, rows)
    places = [(tree["policies"][scenario.policy.name], rows)]
    for column, kind in (("edge", "edges"), ("device_class", "classes")):
        for value, of_part in tree.get(kind, {}).items():
            places.append((of_part, [row for row in rows if row[column] == value]))
    for place, members in places:
        fresh = metrics(members, [], {})
        place.update({name: fresh[name] for name in names})


def measured(scenario: Scenario, rows: Rows, slots: Rows) -> tuple[Rows, Rows]:
    """The requests that were due, and the slots that began, after the scenario's warm-up."""
    began = [slot for slot in slots if slot["start_s"] >= scenario.warmup_s]
    return after_warm_up(scenario, rows), began


def _classes(scenario: Scenario, rows: Rows, step_s: Mapping[str, float]) -> dict[str, Any]:
    """`classes`: what is known of requests and pictures by device class, where there are several;
    slots have no class."""
    names = list(dict.fromkeys(group.kind for group in scenario.devices))
    if len(names) < 2:
        return {}
    of_requests = {name for name, metric in METRICS.items() if metric.over in OF_REQUESTS}
    by_class = {
        name: metrics([row for row in rows if row["device_class"] == name], [], step_s)
        for name in names
    }
    return {
        "classes": {
            name: {metric: value for metric, value in tree.items() if metric in of_requests}
            for name, tree in by_class.items()
        }
    }


def metrics(
    rows: Rows, slots: Rows, step_s: Mapping[str, float]
) -> dict[str, dict[str, float | None]]:
    """Every metric's mean and its interval within the run, by batch means over requests or slots in
    the order in which they ended; null where nothing is known (`orchestrator.records.metrics` says
    what each is)."""
    done = sorted((row for row in rows if row["result"] == "done"), key=_end)
    total = [row["total_s"] for row in done]
    busy = [slot for slot in slots if slot["requests"]]
    queues = [slot["queue_s"] for slot in slots if slot["queue_s"] is not None]
    gaps = [slot["gap_to_exact"] for slot in busy if slot["gap_to_exact"] is not None]
    saved = [step_s[row["edge"]] * row["saved_steps"] for row in done if row["edge"] in step_s]
    good = good_shares(done)
    by_name = {
        "response_ms": _milliseconds(_slowest_by_prompt(done)),
        "response_per_request_ms": _milliseconds(total),
        "hit_ratio": batch_means([float(row["reuse"] in HITS) for row in done]),
        "hit_ratio_in_slot": batch_means([float(row["reuse"] in REUSED) for row in done]),
        "partial_ratio": batch_means([float(row["reuse"] == "resumed") for row in done]),
        "similar_ratio": batch_means([float(row.get("donor_key") is not None) for row in done]),
        "neighbour_ratio": batch_means([float(row.get("from_edge") is not None) for row in done]),
        "backhaul_kb": batch_means([(row.get("backhaul_bytes") or 0) / 1e3 for row in done]),
        "saved_steps": _known(row["saved_steps"] for row in done),
        "edge_steps": _known(row["edge_steps"] for row in done),
        "cut_step": _known(map(steps.cut_step, done)),
        "reuse_limit": _known(row.get("reuse_limit") for row in done),
        "hit_ratio_adjusted": _adjusted(good, [float(row["reuse"] in HITS) for row in done]),
        "saved_steps_adjusted": _adjusted(good, [row["saved_steps"] for row in done]),
        "edge_saved_ms": _milliseconds(saved),
        "queue_ms": _milliseconds(queues),
        "latency_avg_ms": _milliseconds([slot["latency_avg_s"] for slot in busy]),
        "system_cost_ms": _milliseconds([slot["system_cost_s"] for slot in busy]),
        "gap_to_exact_by_slot": batch_means(gaps),
        "ssim": _known(row.get("ssim") for row in done),
        "fidelity": _known(row.get("fidelity") for row in done),
        "quality_kept": _known(row.get("quality_kept") for row in done),
        "resent": _known(row.get("resent") for row in done),
        "joules": _known(row.get("joules") for row in done),
        "receive_joules": _known(row.get("receive_joules") for row in done),
        "psnr_db": plain(_pooled([r["psnr_db"] for r in done if r["psnr_db"] is not None])),
    }
    for q in (50, 95, 99):
        by_name[f"p{q}_s"] = plain(percentile(total, q))
    by_name["largest_s"] = plain(max(total, default=None))
    counts = Counter(row["result"] for row in rows)
    for result in RESULTS:
        by_name["requests" if result == "done" else result] = plain(float(counts[result]))
    by_name["batteries_empty"] = plain(float(len(out_of_battery(rows))))
    return by_name


def missed(
    summary: Mapping[str, Any], policy: str, thresholds: Mapping[str, Threshold]
) -> list[str]:
    """The thresholds that the run is outside of, one line each. Of too few requests for a p95 or
    p99 the largest is judged instead: it is no smaller."""
    lines = []
    metrics = summary["policies"][policy]
    for name, bound in thresholds.items():
        value = metrics.get(name, {}).get("mean")
        label = name
        if value is None and name in ("p95_s", "p99_s"):
            value = metrics.get("largest_s", {}).get("mean")
            label = f"{name} (largest_s, of too few requests)"
        if value is None:
            lines.append(f"threshold {name}: the run has no such metric")
        elif bound.min is not None and value < bound.min:
            lines.append(f"threshold {label}: {value:.6g} is below {bound.min:g}")
        elif bound.max is not None and value > bound.max:
            lines.append(f"threshold {label}: {value:.6g} is above {bound.max:g}")
    return lines


def write(folder: Path, summary: Mapping[str, Any]) -> None:
    """summary.json of a folder, in place of what claimed it; a reader sees the whole file or none.
    Raises OSError."""
    text = json.dumps(summary, indent=2, allow_nan=False)
    write_at_once(folder / "summary.json", text + "\n")


def read(folder: Path) -> dict[str, Any]:
    """The tree of a folder's summary.json. Raises RecordError."""
    path = folder / "summary.json"
    try:
        tree = parse_json(path.read_bytes())
    except (OSError, ValueError) as error:
        raise RecordError(f"{path}: cannot be read: {error}") from error
    if not isinstance(tree, dict):
        raise RecordError(f"{path}: is no summary: the record is damaged")
    return tree


def _not_done(rows: Rows) -> list[dict[str, Any]]:
    """Why requests were not done, the most frequent reasons first."""
    counts = Counter((row["result"], row["error"]) for row in rows if row["result"] != "done")
    return [
        {"result": result, "why": why, "requests": count}
        for (result, why), count in counts.most_common(REASONS)
    ]


def _end(row: Mapping[str, Any]) -> tuple[int, float]:
    """When a finished request ended: its slot, then seconds."""
    late_s = row["arrival_late_s"] if row["think_s"] is None else None  # it is in total_s
    return row["slot"], row["arrived_s"] + row["total_s"] - (late_s or 0.0)


def _slowest_by_prompt(done: Rows) -> list[float]:
    """L_r of (15), seconds: the slowest request for each prompt that an edge served in a slot, in
    the slots' order."""
    slowest: dict[tuple[str, int, str], float] = defaultdict(float)
    for row in done:
        key = row["edge"], row["slot"], row["prompt_key"]
        slowest[key] = max(slowest[key], row["total_s"])
    return list(slowest.values())


def _pooled(psnr: Sequence[float]) -> float | None:
    """PSNR of the mean squared error over all compared pictures: a mean would drown in the capped,
    equal ones."""
    return float(-10 * np.log10(np.mean(10 ** (-np.array(psnr) / 10)))) if psnr else None


def _known(values: Iterable[float | None]) -> dict[str, float | None]:
    """Of the values that there are: an older run's rows have fewer columns."""
    return batch_means([float(value) for value in values if value is not None])


def _adjusted(
    good: Sequence[float | None], values: Sequence[float | None]
) -> dict[str, float | None]:
    """Mean over requests of what each has, times the probability that its picture is good enough;
    null where that is not known of one that has something."""
    products = []
    for share, value in zip(good, values, strict=True):
        if value is None or (share is None and value):
            return plain(None)
        products.append(value * (1.0 if share is None else share))
    return batch_means(products)


def _milliseconds(seconds: Sequence[float]) -> dict[str, float | None]:
    return batch_means(1e3 * np.asarray(seconds, np.float64))
