"""Order-preserving quantisation (36), (37) and its critic, as properties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from orchestrator.decision import exact
from orchestrator.policies.drc import quantise
from tests.orchestrator.decision.test_exact import Case, draw

RELAXED = st.lists(
    st.sampled_from([0.1, 0.3, 0.4, 0.5, 0.5, 0.55, 0.7, 0.9]) | st.floats(0.01, 0.99),
    min_size=1,
    max_size=12,
)


def as_printed(relaxed: list[float]) -> list[list[int]]:
    """(36), then (37) with thresholds at the entries nearest to 0.5, written as the paper has
    them."""
    candidates = [[int(x > 0.5) for x in relaxed]]
    for near in sorted(range(len(relaxed)), key=lambda i: abs(relaxed[i] - 0.5)):
        threshold = relaxed[near]
        row = []
        for x in relaxed:
            if x > threshold:
                row.append(1)
            elif x == threshold:
                row.append(1 if threshold <= 0.5 else 0)
            else:
                row.append(0)
        candidates.append(row)
    return candidates


@given(RELAXED)
def test_candidates_are_those_of_36_and_37(values: list[float]) -> None:
    falling = sorted(values, reverse=True)
    lengths = quantise.prefixes(np.array(falling))
    made = [[1] * int(n) + [0] * (len(values) - int(n)) for n in lengths]
    assert made == as_printed(falling)


@given(RELAXED)
def test_candidates_preserve_the_order(values: list[float]) -> None:
    for candidate in as_printed(values):
        kept = [v for v, one in zip(values, candidate, strict=True) if one]
        left = [v for v, one in zip(values, candidate, strict=True) if not one]
        assert not kept or not left or min(kept) >= max(left)


def decided(
    case: Case, relaxed: NDArray[np.float64], k: int
) -> tuple[float, int, NDArray[np.int8]]:
    choice = np.zeros(len(relaxed), np.int8)
    value, index = quantise.decide(
        relaxed,
        case.weight,
        case.cost,
        case.hit,
        case.capacity,
        case.queue,
        1.8,
        case.target,
        k,
        choice,
    )
    return value, index, choice


@settings(deadline=None, max_examples=150)
@given(st.integers(0, 10_000), st.integers(1, 14))
def test_the_critic_is_exact_about_what_it_chooses(seed: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    case = draw(rng, int(rng.integers(1, 12)), 5)
    value, index, choice = decided(case, rng.random(len(case.weight)), k)
    # (10); (11) holds by construction: one step a prompt
    assert (choice > 0).sum() <= case.capacity
    assert 1 not in choice  # (34): J_{r,1} = 0
    assert value == pytest.approx(case.value(choice), abs=1e-9)
    assert index < k


@settings(deadline=None, max_examples=100)
@given(st.integers(0, 10_000))
def test_more_candidates_are_never_worse_and_all_with_the_right_ranking_are_exact(
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)
    case = draw(rng, int(rng.integers(2, 12)), 5)
    relaxed = rng.random(len(case.weight))
    values = [decided(case, relaxed, k)[0] for k in (1, 4, len(relaxed) + 1)]
    assert values[0] >= values[1] - 1e-12 >= values[2] - 2e-12
    case.queue = 0.0
    best, choice = case.solve()
    told = np.where(choice > 0, 0.9, 0.1)
    assert decided(case, told, len(relaxed) + 1)[0] == pytest.approx(best, abs=1e-12)
    assert decided(case, relaxed, len(relaxed) + 1)[0] >= best - 1e-12


def test_one_output_for_each_step_keeps_a_prompts_highest() -> None:
    case = draw(np.random.default_rng(3), 3, 4)  # steps 2 and 3 of three prompts
    case.capacity = 2.0
    case.queue = 0.0
    relaxed = np.array([0.6, 0.8, 0.7, 0.55, 0.95, 0.9])
    choice = np.zeros(3, np.int8)
    value, index = quantise.decide_steps(
        relaxed,
        case.weight,
        case.cost,
        case.hit,
        case.capacity,
        case.queue,
        1.8,
        case.target,
        1,
        2,
        choice,
    )
    # prompt 2, then 0; prompt 1 is past the capacity
    assert index == 0 and choice.tolist() == [
        3,
        0,
        2,
    ]
    size = np.ones(3)
    assert value == pytest.approx(
        exact.objective(case.weight, case.cost, case.hit, choice, 0.0, 1.8, case.target)
    )
    assert size.sum() >= 2
