"""Several steps a prompt: greedy by gain a byte, against the best set by MILP."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp

from orchestrator.decision.step_sets import best_sets, set_value

STEPS = 5


def saved(random: np.random.Generator) -> NDArray[np.float64]:
    """Seconds that step j saves a request with limit l: more from step to step, none past l."""
    by_step = np.cumsum(random.uniform(0.1, 1.0, STEPS))
    saved_s = np.zeros((STEPS + 1, STEPS))
    for j in range(1, STEPS + 1):
        saved_s[j, j - 1 :] = by_step[j - 1]
    return saved_s


def exact(
    weight: NDArray[np.float64],
    saved_s: NDArray[np.float64],
    nbytes: NDArray[np.float64],
    capacity: float,
) -> float:
    """The best value: x (n, S) says what is kept, y (n, S, S) which step serves which limit."""
    n = len(weight)
    kept = n * STEPS
    value = (weight[:, None, :] * saved_s[None, 1:, :]).ravel()
    cost = np.concatenate([np.zeros(kept), -value])
    rows: list[NDArray[np.float64]] = []
    highs: list[float] = []
    size = np.zeros(len(cost))
    size[:kept] = np.repeat(nbytes, STEPS)
    rows.append(size)
    highs.append(capacity)
    for r in range(n):
        for limit in range(STEPS):
            one = np.zeros(len(cost))
            for j in range(STEPS):
                y = kept + (r * STEPS + j) * STEPS + limit
                one[y] = 1
                uses = np.zeros(len(cost))
                uses[y] = 1
                uses[r * STEPS + j] = -1
                rows.append(uses)
                highs.append(0.0)
            rows.append(one)
            highs.append(1.0)
    constraints = LinearConstraint(np.array(rows), -np.inf, np.array(highs))
    bounds = Bounds(0, 1)
    found = milp(cost, constraints=constraints, integrality=np.ones(len(cost)), bounds=bounds)
    return -float(found.fun)


@pytest.mark.parametrize("seed", range(6))
def test_greedy_sets_are_within_1_minus_1_over_e_of_the_best(seed: int) -> None:
    random = np.random.default_rng(seed)
    weight = random.exponential(1.0, (3, STEPS)) * random.exponential(1.0, (3, 1))
    saved_s = saved(random)
    nbytes = np.full(3, 10.0)
    for places in (1, 3, 5):
        chosen = best_sets(weight, saved_s, nbytes, 10.0 * places)
        assert len(chosen) <= places and len(set(chosen)) == len(chosen)
        best = exact(weight, saved_s, nbytes, 10.0 * places)
        assert best * (1 - 1 / np.e) - 1e-9 <= set_value(weight, saved_s, chosen) <= best + 1e-6


def plain_sets(
    weight: NDArray[np.float64],
    saved_s: NDArray[np.float64],
    nbytes: NDArray[np.float64],
    capacity: float,
) -> list[tuple[int, int]]:
    """The definition: one after the other, whatever adds most a byte and fits."""
    best_s = np.zeros_like(weight)
    chosen: list[tuple[int, int]] = []
    left = capacity
    while True:
        added = np.array([(weight * np.maximum(0.0, s - best_s)).sum(axis=1) for s in saved_s]).T
        dense = np.where((nbytes <= left)[:, None], added / nbytes[:, None], 0.0)
        if not dense.size or dense.max() <= 0:
            break
        r, j = divmod(int(dense.argmax()), dense.shape[1])
        chosen.append((r, j))
        left -= float(nbytes[r])
        best_s[r] = np.maximum(best_s[r], saved_s[j])
    alone = (weight @ saved_s.T) * (nbytes <= capacity)[:, None]
    if alone.size and alone.max() > set_value(weight, saved_s, chosen):
        r, j = divmod(int(alone.argmax()), alone.shape[1])
        return [(r, j)]
    return chosen


def test_sets_by_rounds_are_those_taken_one_after_the_other() -> None:
    random = np.random.default_rng(7)
    for case in range(150):
        weight = random.exponential(1.0, (int(random.integers(0, 9)), STEPS))
        weight *= random.random(weight.shape) < 0.6
        if case % 3 == 0:  # many are worth the same
            weight = np.round(2 * weight)
        nbytes = np.full(len(weight), 10.0)
        if case % 5 == 0:
            nbytes = random.integers(5, 40, len(weight)).astype(float)
        saved_s = saved(random)
        capacity = float(random.integers(0, 100))
        chosen = best_sets(weight, saved_s, nbytes, capacity)
        assert chosen == plain_sets(weight, saved_s, nbytes, capacity), case


def test_a_second_step_of_a_prompt_is_kept_before_an_unpopular_prompts_first() -> None:
    weight = np.array([[0.0, 5.0, 0.0, 0.0, 5.0], [0.1, 0.1, 0.1, 0.1, 0.1]])
    saved_s = np.zeros((STEPS + 1, STEPS))
    for j in range(1, STEPS + 1):
        saved_s[j, j - 1 :] = j
    assert best_sets(weight, saved_s, np.ones(2), 2.0) == [(0, 5), (0, 2)]
