"""summary.json: a run in numbers."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from midstep.scenario import Scenario, Threshold
from orchestrator.records import fidelity
from orchestrator.records.recorder import versions

Rows = Sequence[dict[str, Any]]


def summarise(
    scenario: Scenario,
    rows: Rows,
    slots: Rows,
    events: Rows,
    step_s: Mapping[str, float],
    wall_s: float,
    cpu: float | None = None,
    pipeline: dict[str, Any] | None = None,
    resumed: str | None = None,
    failures: Sequence[str] = (),
) -> dict[str, Any]:
    """The summary's tree. `step_s`: each edge's seconds for one step of one request; `cpu`: the
    machine's busy share; `pipeline`: the identity of its outputs; `resumed`: the run whose
    learner's state it began with."""
    errors = fidelity.measure(rows, slots, scenario.slot_seconds)
    done = [row for row in rows if row["result"] == "done"]
    names = [edge.name for edge in scenario.edges]
    of_edges = {
        name: metrics(
            [r for r in rows if r["edge"] == name], [s for s in slots if s["edge"] == name], step_s
        )
        for name in names
    }
    return {
        "policies": {scenario.policy.name: metrics(rows, slots, step_s)},
        **({"edges": of_edges} if len(names) > 1 else {}),
        "run": {
            "name": scenario.name,
            "seed": scenario.seed,
            "seeds": [scenario.seed],
            "preset": scenario.name,
            "versions": versions(),
            "modes": scenario.modes.model_dump(),
            "policy": scenario.policy.model_dump(exclude={"source"}),
            "users": scenario.users,
            "duration_s": scenario.duration_s,
            "wall_s": round(wall_s, 3),
            "step_s": next(iter(step_s.values()), 0.0),
            "pipeline": pipeline,
            "cpu_share": cpu,
            "resumed_from": resumed,
            "processes": len({row["process_id"] for row in done}),
            "events": list(events),
        },
        "fidelity": {error.part: error.dict() for error in errors},
        "verdict": fidelity.verdict(errors, len(done), failures),
    }


def metrics(
    rows: Rows, slots: Rows, step_s: Mapping[str, float]
) -> dict[str, dict[str, float | None]]:
    """Every metric's mean and the half-width of its 95 % interval over requests, or over slots
    where it is a slot's."""
    done = [row for row in rows if row["result"] == "done"]
    total = [row["total_s"] for row in done]
    hit = [float(row["reuse"] in ("exact", "similar", "final")) for row in done]
    in_slot = [float(row["reuse"] != "computed") for row in done]
    psnr = [row["psnr_db"] for row in done if row["psnr_db"] is not None]
    busy = [slot for slot in slots if slot["requests"]]
    made = {
        "response_ms": _mean(1e3 * worst for worst in _worst_by_prompt(done)),
        "response_per_request_ms": _mean(1e3 * t for t in total),
        "hit_ratio": _mean(hit),
        "hit_ratio_in_slot": _mean(in_slot),
        "saved_ms": _mean(1e3 * step_s.get(row["edge"], 0.0) * row["saved_steps"] for row in done),
        "queue_ms": _mean(1e3 * slot["queue_s"] for slot in busy if slot["queue_s"] is not None),
        "system_cost_ms": _mean(1e3 * slot["system_cost_s"] for slot in busy),
        "gap_to_exact": _mean(
            slot["gap_to_exact"] for slot in busy if slot["gap_to_exact"] is not None
        ),
        "psnr_db": {"mean": _pooled(psnr), "ci95": None},
    }
    for q in (50, 95, 99):
        made[f"p{q}_s"] = {"mean": float(np.percentile(total, q)) if total else None, "ci95": None}
    for result, name in (("done", "requests"), ("failed", "failed"), ("rejected", "rejected")):
        made[name] = {"mean": float(sum(row["result"] == result for row in rows)), "ci95": None}
    return made


def missed(
    summary: Mapping[str, Any], policy: str, thresholds: Mapping[str, Threshold]
) -> list[str]:
    """The thresholds that the run is outside of, one line each."""
    lines = []
    for name, bound in thresholds.items():
        value = summary["policies"][policy].get(name, {}).get("mean")
        if value is None:
            lines.append(f"threshold {name}: the run has no such metric")
        elif bound.min is not None and value < bound.min:
            lines.append(f"threshold {name}: {value:.6g} is below {bound.min:g}")
        elif bound.max is not None and value > bound.max:
            lines.append(f"threshold {name}: {value:.6g} is above {bound.max:g}")
    return lines


def write(folder: Path, summary: Mapping[str, Any]) -> None:
    """summary.json of a run's folder."""
    (folder / "summary.json").write_text(json.dumps(summary, indent=2, allow_nan=False) + "\n")


def _worst_by_prompt(done: Rows) -> list[float]:
    """L_r of (15) for every edge, slot and prompt."""
    worst: dict[tuple[str, int, str], float] = defaultdict(float)
    for row in done:
        key = row["edge"], row["slot"], row["prompt_key"]
        worst[key] = max(worst[key], row["total_s"])
    return list(worst.values())


def _pooled(psnr: Sequence[float]) -> float | None:
    """PSNR of the mean squared error over all compared pictures: a mean would drown in the capped,
    equal ones."""
    return float(-10 * np.log10(np.mean(10 ** (-np.array(psnr) / 10)))) if psnr else None


def _mean(values: Iterable[float]) -> dict[str, float | None]:
    array = np.fromiter(values, np.float64)
    if not array.size:
        return {"mean": None, "ci95": None}
    half = 1.96 * float(array.std(ddof=1)) / np.sqrt(array.size) if array.size > 1 else None
    return {"mean": float(array.mean()), "ci95": None if half is None else float(half)}
