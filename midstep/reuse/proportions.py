"""Bounds on a probability from a count of successes (Wilson, JASA 22, 1927), and on the difference
of two that were counted on the same pairs (Newcombe, Statistics in Medicine 17, 1998)."""

from __future__ import annotations

from math import sqrt

__all__ = ["Z_95", "all_right", "paired_difference", "wilson"]

Z_95 = 1.96  # normal deviate of a two-sided 95 % interval


def wilson(right: float, count: float, z: float = Z_95) -> tuple[float, float]:
    """The score interval of a probability, low and high end, after `right` successes of `count`;
    (0, 1) where nothing was counted. Counts may be effective ones, which are no whole numbers."""
    if count == 0:
        return 0.0, 1.0
    share = right / count
    square = z * z
    centre = share + square / (2 * count)
    half = z * sqrt(share * (1 - share) / count + square / (4 * count * count))
    whole = 1 + square / count
    return max(0.0, (centre - half) / whole), min(1.0, (centre + half) / whole)


def all_right(share: float, z: float = Z_95) -> int:
    """The least count that, with no failure in it, has a low end of `share` or more: 73 for .95,
    381 for .99."""
    count = max(1, int(z * z * share / (1 - share)))  # low end of n of n is n / (n + z^2)
    while wilson(count, count, z)[0] < share:
        count += 1
    return count


def paired_difference(
    both: int, gained: int, lost: int, neither: int, z: float = Z_95
) -> tuple[float, float]:
    """The interval of the difference of two shares of the same pairs, low and high end: `gained`
    are successes of the first alone, `lost` of the second alone. Newcombe's method 10: score
    intervals of both shares, joined by their correlation; (-1, 1) where nothing was counted."""
    count = both + gained + lost + neither
    if count == 0:
        return -1.0, 1.0
    first = both + gained
    second = both + lost
    low, high = wilson(first, count, z)
    other_low, other_high = wilson(second, count, z)
    share = first / count
    other = second / count
    margins = first * (count - first) * second * (count - second)
    correlation = 0.0
    if margins:
        cross = float(both * neither - gained * lost)
        if cross > 0:
            cross = max(cross - count / 2, 0)
        correlation = cross / sqrt(margins)
    below = _joined(share - low, other_high - other, correlation)
    above = _joined(high - share, other - other_low, correlation)
    return share - other - below, share - other + above


def _joined(of_first: float, of_second: float, correlation: float) -> float:
    """Half an interval of a difference, from those of its terms."""
    square = of_first**2 - 2 * correlation * of_first * of_second + of_second**2
    return sqrt(max(0.0, square))
