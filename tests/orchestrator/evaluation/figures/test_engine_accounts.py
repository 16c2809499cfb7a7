"""Metrics from rows are the simulator's: rows are written out from the simulator's own slots, and
must give the same numbers again."""

from __future__ import annotations

import numpy as np
import pytest

from midstep.scenario import Scenario
from orchestrator.evaluation.figures import sweeps
from orchestrator.evaluation.figures.engine import accounts
from orchestrator.evaluation.simulator.closed import metrics
from tests.orchestrator.evaluation.figures.written import Written, written

SLOTS = 12
WARM = 2
SCENARIO = Scenario(duration_s=SLOTS, warmup_s=WARM)


def world(policy: str) -> Written:
    return written(policy, sweeps.SWEEPS["fig8"].preset(5), 3, SLOTS, WARM)


def test_metrics_from_rows_are_the_simulators() -> None:
    run = world("greedy")
    local = world("ncldc")
    engine = accounts.metrics(
        accounts.requests_of(run.rows, SCENARIO), accounts.requests_of(local.rows, SCENARIO)
    )
    simulated = {name: values[0] for name, values in metrics(run).items()}
    assert simulated["hit_ratio"] > 0.1 and simulated["latency_avg_ms"] > 0
    for name in (*accounts.COMPARED, "reduction_vs_ncldc"):
        assert engine[name] == pytest.approx(simulated[name], rel=1e-12), name
    stages = [engine[f"stage_{name}_ms"] for name in ("edge", "transfer", "device")]
    assert sum(stages) == pytest.approx(engine["response_per_request_ms"])


def test_what_was_not_finished_is_counted_and_a_prompt_without_a_pair_is_no_number() -> None:
    rows = world("ncldc").rows
    rows["result"][-1] = "unfinished"
    requests = accounts.requests_of(rows, SCENARIO)
    assert requests.lost == 1 and len(requests.slot) == 5 * 10 * (SLOTS - WARM) - 1
    assert requests.slot.min() == WARM
    assert np.isnan(accounts.metrics(requests, None)["saved_vs_ncldc_ms"])
