"""The simulator's metrics, from the rows of a run: the same definitions
(orchestrator/evaluation/simulator/accounts.py), slot by slot and prompt by prompt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from midstep.errors import RecordError
from midstep.scenario import Scenario
from midstep.telemetry.record import STAGES
from midstep.wire.messages import HITS
from orchestrator.records.tables import read_table

__all__ = ["COMPARED", "Requests", "metrics", "read", "requests_of"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]
# parts of total_s; the wait for the plan is in overhead_s
NO_PARTS = ("total", "uplink")  # nothing goes up to a coupled edge
STAGE_COLUMNS = (*(f"{stage}_s" for stage in STAGES if stage not in NO_PARTS), "plan_wait_s")
COLUMNS = ("due_s", "edge_prompt", "reuse", "total_s", "result", *STAGE_COLUMNS)
# what engine and simulator both have, so that they can be told apart
COMPARED = (
    "response_by_slot_ms",
    "response_per_request_ms",
    "hit_ratio",
    "hit_ratio_in_slot",
    "saved_vs_ncldc_ms",
    "saved_vs_ncldc_per_request_ms",
    "latency_avg_ms",
    "system_cost_ms",
)


@dataclass(frozen=True, kw_only=True)
class Requests:
    """Finished requests of a run after its warm-up, arrays (n,): the `slot` in which each was due,
    its edge prompt, its response time, whether it was served from the store (`hit`) or by an output
    that was being computed for another (`shared`); `stages_s` (n, STAGE_COLUMNS). `lost` counts
    those that were not finished."""

    slot: Ints
    prompt: NDArray[np.str_]
    total_s: Floats
    hit: Flags
    shared: Flags
    stages_s: Floats
    lost: int


class _Prompts(NamedTuple):
    """Requested prompts of all slots, arrays (g,): the slot, L_r of (15) in seconds, whether the
    store served it."""

    slot: Ints
    prompt: NDArray[np.str_]
    latency_s: Floats
    hit: Flags


def read(folder: Path, scenario: Scenario) -> Requests:
    """The requests of the run in a folder. Raises RecordError."""
    path = folder / "requests.parquet"
    table = read_table(path, COLUMNS)
    missing = [name for name in COLUMNS if name not in table.column_names]
    if missing:
        raise RecordError(f"{path}: it lacks the column {missing[0]}")
    return requests_of(table.to_pydict(), scenario)


def requests_of(columns: dict[str, Sequence[Any]], scenario: Scenario) -> Requests:
    """The same from the COLUMNS of a record; the warm-up's slots are left out."""
    due_s = np.array(columns["due_s"], np.float64)
    done = np.array(columns["result"]) == "done"
    measured = due_s >= scenario.warmup_s
    places = np.flatnonzero(measured & done).tolist()
    reuse = np.array([columns["reuse"][i] for i in places], np.str_)
    stages = [[columns[name][i] for i in places] for name in STAGE_COLUMNS]
    return Requests(
        slot=np.floor(due_s[places] / scenario.slot_seconds).astype(np.int64),
        prompt=np.array([columns["edge_prompt"][i] for i in places], np.str_),
        total_s=np.array([columns["total_s"][i] for i in places], np.float64),
        hit=np.isin(reuse, HITS),
        shared=reuse == "shared",
        stages_s=np.array(stages, np.float64).T.reshape(len(places), len(STAGE_COLUMNS)),
        lost=int((measured & ~done).sum()),
    )


def metrics(run: Requests, local: Requests | None) -> dict[str, float]:
    """The run's metrics by the simulator's names; `local` are the same requests under `ncldc`, of
    the same seed: L_r(0), prompt by prompt. Without them, and where a prompt has none there, no
    time is saved: nan."""
    if not run.slot.size:
        return {}
    prompts = _prompts(run)
    slots, slot = np.unique(prompts.slot, return_inverse=True)
    number = len(slots)
    active = np.bincount(slot, minlength=number)
    system_s = np.bincount(slot, prompts.latency_s, minlength=number)
    misses = np.bincount(slot[~prompts.hit], minlength=number)
    missed_s = np.bincount(slot[~prompts.hit], prompts.latency_s[~prompts.hit], minlength=number)
    by_name = {
        "response_by_slot_ms": 1e3 * float((system_s / active).mean()),
        "response_per_request_ms": 1e3 * float(run.total_s.mean()),
        "hit_ratio": float(run.hit.mean()),
        "hit_ratio_in_slot": float((run.hit | run.shared).mean()),
        "latency_avg_ms": 1e3 * float((missed_s / np.maximum(misses, 1)).mean()),
        "system_cost_ms": 1e3 * float(system_s.mean()),
    }
    for name, mean_s in zip(STAGE_COLUMNS, run.stages_s.mean(axis=0), strict=True):
        by_name[f"stage_{name.removesuffix('_s')}_ms"] = 1e3 * float(mean_s)
    nothing_s = np.full(len(slot), np.nan) if local is None else _paired(prompts, _prompts(local))
    saved_s = np.bincount(slot, nothing_s - prompts.latency_s, minlength=number)
    nothing_s = np.bincount(slot, nothing_s, minlength=number)
    by_name["saved_vs_ncldc_ms"] = 1e3 * float(saved_s.mean())
    by_name["saved_vs_ncldc_per_request_ms"] = 1e3 * float(saved_s.sum()) / len(run.slot)
    by_name["reduction_vs_ncldc"] = float((saved_s / nothing_s).mean())
    return by_name


def _prompts(run: Requests) -> _Prompts:
    """Each slot's requested prompts: the slowest requester's time, one choice for all."""
    _, prompt = np.unique(run.prompt, return_inverse=True)
    keys = run.slot * (int(prompt.max(initial=0)) + 1) + prompt
    _, first, group = np.unique(keys, return_index=True, return_inverse=True)
    latency_s = np.zeros(len(first))
    hit = np.zeros(len(first), np.bool_)
    np.maximum.at(latency_s, group, run.total_s)
    np.logical_or.at(hit, group, run.hit)
    return _Prompts(run.slot[first], run.prompt[first], latency_s, hit)


def _paired(prompts: _Prompts, local: _Prompts) -> Floats:
    """L_r(0) of each of `prompts`, seconds (g,); nan where `local` has none."""
    places = dict(
        zip(
            zip(local.slot.tolist(), local.prompt.tolist(), strict=True),
            local.latency_s.tolist(),
            strict=True,
        )
    )
    wanted = zip(prompts.slot.tolist(), prompts.prompt.tolist(), strict=True)
    return np.array([places.get(key, np.nan) for key in wanted], np.float64)
