"""The largest remainder."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midstep.apportion import apportion


@given(st.integers(0, 5000), st.lists(st.integers(0, 100), min_size=1, max_size=8))
def test_counts_add_up_and_are_in_proportion(users: int, weights: list[int]) -> None:
    counts = apportion(users, weights)
    assert sum(counts) == users
    total = sum(weights)
    for count, weight in zip(counts, weights, strict=True):
        exact = users * weight / total if total else users / len(weights)
        assert abs(count - exact) < 1 + 1e-9


@given(st.integers(0, 500), st.lists(st.integers(1, 100), min_size=1, max_size=8))
def test_each_has_the_least(more: int, weights: list[int]) -> None:
    counts = apportion(len(weights) + more, weights, least=1)
    assert sum(counts) == len(weights) + more and min(counts) >= 1


def test_too_few_for_the_least_are_refused() -> None:
    with pytest.raises(ValueError, match="1 is less than 1 for each of 2"):
        apportion(1, [3, 4], least=1)
