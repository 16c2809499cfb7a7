"""Order-preserving quantisation (36), (37) and its critic, as properties, and against the plain
reference."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from orchestrator.decision import critic, exact
from orchestrator.decision.slots import PricedSlots
from orchestrator.policies.drc import quantise, reference
from orchestrator.policies.drc.ranking import argsort_descending
from tests.orchestrator.decision.test_exact import Case, V, draw

RELAXED = st.lists(
    st.sampled_from([0.1, 0.3, 0.4, 0.5, 0.5, 0.55, 0.7, 0.9]) | st.floats(0.01, 0.99),
    min_size=1,
    max_size=12,
)
ALONE = quantise.Exploration(rankings=0, noise=0.0, slot=0, seed=0)


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


def ranked(values: list[float]) -> NDArray[np.int64]:
    order = np.empty(len(values), np.int64)
    argsort_descending(np.array(values), order, np.empty(2 * len(values) + 1, np.int64))
    return order


@settings(deadline=None)
@given(RELAXED)
def test_candidates_are_those_of_36_and_37(values: list[float]) -> None:
    """Entry by entry, in whatever order the network gives them."""
    order = ranked(values)
    falling = np.array(values)[order]
    candidates = []
    for length in quantise.candidate_lengths(falling):
        row = np.zeros(len(values), np.int64)
        row[order[:length]] = 1
        candidates.append(row.tolist())
    # equals nearest to 0.5 are visited in another order where they stand in another
    assert candidates[0] == as_printed(values)[0]
    assert sorted(candidates) == sorted(as_printed(values))
    assert quantise.candidate_lengths(falling).tolist() == reference.candidates(falling.tolist())


@settings(deadline=None)
@given(RELAXED)
def test_the_ranking_falls_and_equals_stay_in_their_order(values: list[float]) -> None:
    assert ranked(values).tolist() == reference.descending(values)


def slots_of(case: Case) -> PricedSlots:
    """A case as a slot of one lane."""
    items = len(case.weight)
    return PricedSlots(
        weight=case.weight[None],
        count=case.weight[None],
        cost_s=case.cost[None],
        hit=case.hit[None],
        channel=np.zeros((1, 1)),
        cached=np.zeros((1, items), np.int8),
        queue_s=np.array([case.queue]),
        target_s=np.array([case.target]),
        weight_v=np.array([V]),
        capacity=np.array([case.capacity]),
        reusable=np.array([case.cost.shape[1] - 1]),
    )


def decided(
    case: Case, relaxed: NDArray[np.float64], k: int
) -> tuple[float, int, NDArray[np.int8]]:
    choice = np.zeros(len(relaxed), np.int8)
    value, index = quantise.choose_prompts(relaxed, case.weight, case.prices, k, ALONE, choice)
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


@settings(deadline=None, max_examples=150)
@given(st.integers(0, 10_000), st.integers(1, 14))
def test_the_critic_is_the_references(seed: int, k: int) -> None:
    """The same candidate of the same ranking, for the same price."""
    rng = np.random.default_rng(seed)
    case = draw(rng, int(rng.integers(1, 12)), 5)
    case.weight = rng.choice([1.0, 1.0, 0.4, 0.0], len(case.weight))
    relaxed = rng.random(len(case.weight))
    ranking = [r for r in reference.descending(relaxed.tolist()) if case.weight[r] > 0]
    lengths = reference.candidates([relaxed[r] for r in ranking])[:k]
    plan = reference.Critic(slots_of(case)).best(ranking, lengths, margin=1e-15)
    value, index, choice = decided(case, relaxed, k)
    assert (choice.tolist(), index) == (plan.choice, plan.place)
    assert value == pytest.approx(plan.value, abs=1e-12)


@settings(deadline=None, max_examples=100)
@given(st.integers(0, 10_000), st.integers(0, 12))
def test_the_best_prefix_of_a_ranking_is_the_references(seed: int, shortest: int) -> None:
    """All prefixes from a length on, of a ranking that leaves some of the requested prompts out."""
    rng = np.random.default_rng(seed)
    case = draw(rng, int(rng.integers(1, 12)), 5)
    ranking = rng.permutation(len(case.weight))[: int(rng.integers(1, len(case.weight) + 1))]
    shortest = min(shortest, len(ranking))
    plan = reference.Critic(slots_of(case)).best(
        ranking.tolist(), range(shortest, len(ranking) + 1), margin=0.0
    )
    choice = np.zeros(len(case.weight), np.int8)
    value = critic.fill_ranking(ranking, shortest, case.prices, choice)
    assert value == pytest.approx(plan.value, abs=1e-12)
    assert case.value(choice) == pytest.approx(plan.value, abs=1e-9)


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
    right = np.where(choice > 0, 0.9, 0.1)
    assert decided(case, right, len(relaxed) + 1)[0] == pytest.approx(best, abs=1e-12)
    assert decided(case, relaxed, len(relaxed) + 1)[0] >= best - 1e-12


def test_one_output_for_each_step_keeps_a_prompts_highest() -> None:
    case = draw(np.random.default_rng(3), 3, 4)  # steps 2 and 3 of three prompts
    case.capacity = 2.0
    relaxed = np.array([0.6, 0.8, 0.7, 0.55, 0.95, 0.9])
    choice = np.zeros(3, np.int8)
    value, index = quantise.choose_steps(relaxed, case.prices, 1, 2, choice)
    # prompt 2, then 0; prompt 1 is past the capacity
    assert index == 0 and choice.tolist() == [3, 0, 2]
    assert value == pytest.approx(exact.objective(case.prices, choice))


@settings(deadline=None, max_examples=100)
@given(st.integers(0, 10_000), st.integers(1, 30))
def test_the_best_candidate_over_prompts_and_steps_is_found(seed: int, k: int) -> None:
    """(36), (37) over all entries as printed, each candidate filled by hand and priced by (33)."""
    rng = np.random.default_rng(seed)
    case = draw(rng, int(rng.integers(1, 7)), 5)
    steps = 3
    relaxed = rng.random(len(case.weight) * steps)
    order = reference.descending(relaxed.tolist())
    choices = []
    for length in reference.candidates([relaxed[e] for e in order])[:k]:
        by_hand = np.zeros(len(case.weight), np.int8)
        for e in order[:length]:
            if by_hand[e // steps] == 0 and (by_hand > 0).sum() + 1 <= case.capacity:
                by_hand[e // steps] = e % steps + 2
        choices.append(by_hand)
    choice = np.zeros(len(case.weight), np.int8)
    value, _ = quantise.choose_steps(relaxed, case.prices, k, steps, choice)
    assert value == pytest.approx(min(case.value(c) for c in choices), abs=1e-12)
    assert case.value(choice) == pytest.approx(value, abs=1e-12)
