"""Zipf and its drift."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from midstep.draws import DRIFT, uniforms
from midstep.workload.popularity import (
    RankDrift,
    rank_at,
    ranks_at,
    swap_count,
    swap_pairs,
    swap_ranks,
    zipf_shares,
    zipf_weights,
)


def test_shares_are_proportional_to_a_power_of_the_rank() -> None:
    shares = zipf_shares(50, 0.8)
    assert shares.sum() == pytest.approx(1)
    assert shares[0] / shares[9] == pytest.approx(10**0.8)


@given(
    items=st.integers(1, 30),
    exponent=st.floats(0, 4),
    points=st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=5),
)
def test_a_rank_covers_its_share_of_the_unit(
    items: int, exponent: float, points: list[float]
) -> None:
    cumulative = np.cumsum(zipf_weights(items, exponent))
    ranks = ranks_at(cumulative, points)
    assert ranks.tolist() == [rank_at(cumulative.tolist(), point) for point in points]
    assert ((ranks >= 0) & (ranks < items)).all()
    for rank, point in zip(ranks.tolist(), points, strict=True):
        assert cumulative[rank] >= point * cumulative[-1] * (1 - 1e-12)
        assert rank == 0 or cumulative[rank - 1] <= point * cumulative[-1]


@given(expected=st.floats(0, 50), point=st.floats(0, 1, exclude_max=True))
def test_a_slot_has_the_whole_swaps_or_one_more(expected: float, point: float) -> None:
    count = swap_count(expected, point)
    assert count == int(expected) + (point < expected - int(expected))


def test_as_many_swaps_as_are_due() -> None:
    counts = swap_count(1.5, uniforms(3, DRIFT, np.arange(2000)))
    assert counts.mean() == pytest.approx(1.5, abs=0.04)
    ranks = np.concatenate([swap_pairs(3, t, n, 100) for t, n in enumerate(counts.tolist())])
    assert ranks.min() >= 0 and ranks.max() <= 99
    assert ranks.mean() == pytest.approx(49.5, abs=1.5)
    assert swap_pairs(3, 1, 0, 100).shape == (0, 2)


@given(pairs=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=20))
def test_swaps_keep_every_item_and_can_be_undone(pairs: list[tuple[int, int]]) -> None:
    order = np.arange(10)
    exchanges = np.array(pairs, np.int64).reshape(-1, 2)
    swap_ranks(order, exchanges)
    assert sorted(order.tolist()) == list(range(10))
    swap_ranks(order, exchanges[::-1])
    assert order.tolist() == list(range(10))


def test_drift_can_look_back() -> None:
    drift = RankDrift(100, 1.5, seed=3)
    late = drift.order(200).copy()
    assert sorted(late) == list(range(100)) and not np.array_equal(late, np.arange(100))
    assert np.array_equal(drift.order(0), np.arange(100))
    assert np.array_equal(drift.order(200), late)
