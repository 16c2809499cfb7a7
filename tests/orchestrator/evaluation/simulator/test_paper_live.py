"""The paper's slot on the run's own code, in virtual time, against the closed model: prompt by
prompt."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from midstep.scenario_file import load
from midstep.workload.requests import find_catalogue
from orchestrator import roads
from orchestrator.evaluation.simulator import accounts
from orchestrator.evaluation.simulator.compare import _open
from orchestrator.evaluation.simulator.scenario_preset import preset_of
from orchestrator.evaluation.simulator.world import World
from orchestrator.records.run_reader import read_run

SLOTS = 12
SHORT = [f"duration_s={SLOTS}", "warmup_s=2", "devices.0.count=6", "edges.0.capacity=98304"]


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("ncldc", []),
        ("greedy", ["reuse.last_step=9"]),  # rho(9) = 0.8: some held outputs do not serve
        ("oo", ["workload.drift_swaps_per_slot=5"]),
    ],
)
def test_a_run_is_the_closed_model_prompt_by_prompt(
    name: str, settings: list[str], tmp_path: Path
) -> None:
    scenario = roads.calibrated(load("paper", [*SHORT, f"policy.name={name}", *settings]))
    roads.virtual(scenario, tmp_path / "run")
    rows, slots = read_run(tmp_path / "run")
    worst: dict[tuple[int, str], float] = defaultdict(float)
    by_slot: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        assert row["result"] == "done" and row["overhead_s"] == pytest.approx(0, abs=1e-9)
        place = (int(row["due_s"]), row["edge_prompt"])
        worst[place] = max(worst[place], row["total_s"])
        by_slot[place[0]].append(row)
    cores = find_catalogue(scenario).edge_prompts
    world = World([(preset_of(scenario), scenario.seed)])
    rollout, _ = _open(name, world, np.array([scenario.policy.latency_target_s]))
    hits = 0
    for slot in range(SLOTS):
        world.advance()
        before = rollout.sums[0].copy()
        choice = rollout.slot(measure=True, gap=False)[0]
        for item in np.flatnonzero(world.count[0]).tolist():
            cost_s = rollout.cost_s[0, item]
            served = 0 if rollout.guarded and cost_s[choice[item]] > cost_s[0] else choice[item]
            assert worst[slot, cores[item]] == pytest.approx(cost_s[served], abs=1e-9)
        one = rollout.sums[0] - before
        assert sum(row["total_s"] for row in by_slot[slot]) == pytest.approx(
            one[accounts.AT["request_s"]]
        )
        exact = sum(row["reuse"] == "exact" for row in by_slot[slot])
        assert exact == one[accounts.AT["hits"]]
        hits += exact
        assert slots[slot]["latency_avg_s"] == pytest.approx(one[accounts.AT["average_s"]])
        assert slots[slot]["queue_s"] == pytest.approx(rollout.queue_s[0], abs=1e-9)
    assert (hits > 20) == (name != "ncldc")
