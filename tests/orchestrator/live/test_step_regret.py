"""Regret over (prompt, step): 0 for the best plan, more for any other."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from midstep.wire.messages_control import Access, CachedOutput, CacheSnapshot
from orchestrator.decision.problem import Problem
from orchestrator.decision.step_times import StepTimes
from orchestrator.live.regret import objective
from orchestrator.live.step_regret import (
    PricedSteps,
    StepRegretMeter,
    open_regret,
    price_steps,
    solve,
)

V = 1.8
PROBLEM = Problem(200, 20, 6, frame_bytes=100, times=StepTimes(), cut_rule="planned")


def access(key: str, limit: int, step: int, edge_steps: int) -> Access:
    """A request that was handed over at `step`: half a second a step at the edge, 1 s on the
    device."""
    return Access(
        request_id="",
        prompt_key=key,
        prompt=key,
        step=step,
        nbytes=100,
        reuse="computed" if edge_steps else "exact",
        at_s=0.0,
        edge_s=0.5 * edge_steps,
        limit=limit,
        edge_steps=edge_steps,
        step_s=1.0,
    )


def snapshot(**steps: int) -> CacheSnapshot:
    store = tuple(CachedOutput(key, key, step, 100) for key, step in steps.items())
    return CacheSnapshot(
        store=store, staging=(), capacity=200, store_bytes=100 * len(store), staging_bytes=0
    )


def gap_of(held: dict[str, int], accesses: list[Access]) -> float | None:
    meter = open_regret(PROBLEM)
    assert isinstance(meter, StepRegretMeter)
    asked = [access(key, 20, 1, 1) for key in "abc"]  # so that all could have been held
    meter.planned(asked, snapshot(z=9), snapshot(**held), 0.0)
    return meter.gap(accesses, [])


def test_the_best_plan_has_gap_0_and_a_worse_step_or_prompt_more() -> None:
    """a is wanted by limits 10 and 20, b by 12: a at 10 serves both its requests."""
    slot = [access("a", 10, 10, 10), access("a", 20, 10, 10), access("b", 12, 12, 12)]
    assert gap_of({"a": 10, "b": 12}, slot) == 0
    assert gap_of({}, slot) == pytest.approx(1.0)
    # 20 is of no use to the request with limit 10, which stays the slowest
    assert gap_of({"a": 20, "b": 12}, slot) == pytest.approx(5 / 11)
    assert gap_of({"a": 10, "b": 6}, slot) == pytest.approx(3 / 11)
    assert gap_of({"a": 10, "c": 12}, slot) == pytest.approx(6 / 11)


def test_a_request_goes_on_from_what_is_held_to_its_own_cut() -> None:
    priced = price_steps([access("a", 12, 12, 12)], 20, 0.5)
    assert priced.cost_s[0, [0, 8, 12, 13]].tolist() == [14.0, 10.0, 8.0, 14.0]
    assert priced.hit[0, [0, 8, 12, 13]].tolist() == [False, False, True, False]


@settings(deadline=None, max_examples=60)
@given(
    st.integers(0, 10**6), st.integers(1, 4), st.integers(0, 4), st.sampled_from([0.0, 2.0, 90.0])
)
def test_the_solver_finds_what_enumeration_finds(
    seed: int, prompts: int, places: int, queue_s: float
) -> None:
    random = np.random.default_rng(seed)
    cost_s = random.uniform(0, 10, (prompts, 4)).round(2)
    hit = random.random((prompts, 4)) < 0.5
    hit[:, 0] = False
    priced = PricedSteps(keys=tuple(map(str, range(prompts))), cost_s=cost_s, hit=hit)
    available = random.random(prompts) < 0.8
    best = solve(priced, available, places, queue_s, V)
    rows = np.arange(prompts)
    assert np.count_nonzero(best) <= places
    assert not best[~available].any()
    least = min(
        objective(cost_s[rows, list(c)], hit[rows, list(c)], queue_s, V)
        for c in product(range(4), repeat=prompts)
        if np.count_nonzero(c) <= places and not np.array(c)[~available].any()
    )
    found = objective(cost_s[rows, best], hit[rows, best], queue_s, V)
    assert found == pytest.approx(least, abs=1e-9)
