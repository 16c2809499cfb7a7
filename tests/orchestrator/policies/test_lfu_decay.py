"""Frequency that fades: the scores are the sums that they are said to be, and stay in order."""

from __future__ import annotations

import numpy as np
import pytest

from orchestrator.decision.problem import Problem
from orchestrator.policies.lfu_decay import LfuDecay


def fading(efold_slots: float) -> LfuDecay:
    decay = LfuDecay(efold_slots=efold_slots)
    decay.reset(Problem(10, 20, 6), 0)
    return decay


def test_scores_are_the_sums_of_what_has_faded() -> None:
    decay = fading(7.0)
    rng = np.random.default_rng(1)
    draws = rng.integers(0, 4, (60, 5))
    for slot, row in enumerate(draws):
        ids, counts = np.unique(row, return_counts=True)
        decay.observe(ids.astype(np.int64), counts.astype(np.int64), slot)
    age = 62 - np.arange(60)
    expected = [
        float(((draws == item).sum(axis=1) * np.exp(-age / 7.0)).sum()) for item in range(4)
    ]
    assert decay.scores(np.arange(4), 62) == pytest.approx(expected, rel=1e-12)


def test_scores_neither_overflow_nor_vanish_and_items_may_be_of_any_number() -> None:
    decay = fading(1.0)
    decay.observe(np.array([5, 1_000_000]), np.array([1, 2]), 0)
    decay.observe(np.array([7]), np.array([1]), 10_000_000)
    scores = decay.scores(np.array([7, 1_000_000, 5, 2_000_000]), 10_000_000)
    assert scores[0] == pytest.approx(1.0) and (scores > 0).all() and np.isfinite(scores).all()
    recent = decay.scores(np.array([5, 1_000_000]), 3)
    assert recent[1] == pytest.approx(2 * recent[0])


def test_the_order_of_the_untouched_stays() -> None:
    decay = fading(150.0)
    decay.observe(np.arange(50), np.arange(1, 51), 0)
    early = decay.scores(np.arange(50), 1)
    late = decay.scores(np.arange(50), 90_000)
    assert (np.argsort(early) == np.argsort(late)).all()


def test_it_goes_on_where_its_state_was_taken() -> None:
    decay = fading(10.0)
    again = fading(10.0)
    for slot, key in enumerate("abac"):
        decay.observe(np.array([decay.number(key, key)]), np.ones(1, np.int64), slot)
    again.load_state_dict(decay.state_dict())
    assert [again.number(key, key) for key in "cabd"] == [2, 0, 1, 3]
    assert (again.scores(np.arange(4), 5) == decay.scores(np.arange(4), 5)).all()
    with pytest.raises(ValueError, match="efold_slots"):
        LfuDecay(efold_slots=0)
