"""Wilson's bounds, and Newcombe's of a difference."""

from __future__ import annotations

import pytest

from midstep.reuse.proportions import all_right, paired_difference, wilson


@pytest.mark.parametrize(
    ("right", "count", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),  # Newcombe, Statistics in Medicine 17 (1998), table I
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (29, 29, 0.8830, 1.0000),
    ],
)
def test_bounds_are_those_of_the_literature(
    right: int, count: int, low: float, high: float
) -> None:
    assert wilson(right, count) == pytest.approx((low, high), abs=5e-5)


def test_nothing_counted_says_nothing() -> None:
    assert wilson(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize(("share", "count"), [(0.95, 73), (0.99, 381), (0.5, 4)])
def test_the_least_count_that_suffices_where_all_are_right(share: float, count: int) -> None:
    assert all_right(share) == count
    assert wilson(count, count)[0] >= share > wilson(count - 1, count - 1)[0]


def test_the_interval_of_a_paired_difference_is_that_of_the_literature() -> None:
    low, high = paired_difference(36, 12, 2, 0)  # Newcombe, Statistics in Medicine 17 (1998)
    assert (low, high) == pytest.approx((0.0569, 0.3404), abs=5e-5)
    assert paired_difference(36, 2, 12, 0) == pytest.approx((-high, -low))
    assert paired_difference(0, 0, 0, 0) == (-1.0, 1.0)
