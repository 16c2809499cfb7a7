"""Bounds on a probability from a count of successes (Wilson, JASA 22, 1927)."""

from __future__ import annotations

from math import sqrt

__all__ = ["Z_95", "all_right", "wilson"]

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
