"""Rules beside each other at equal loss."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

__all__ = ["frontier", "saved_at"]

Pair = tuple[float, float]  # loss, saved steps


def frontier(points: Sequence[Pair]) -> list[Pair]:
    """The best that a rule's points allow, ascending in both: the upper convex hull from (0, 0) on.
    What lies between two points is had by serving some users by the one and some by the other."""
    hull: list[Pair] = []
    for point in sorted({(0.0, 0.0), *points}, key=lambda pair: (pair[0], -pair[1])):
        if hull and point[1] <= hull[-1][1]:
            continue
        while len(hull) > 1 and _turns_up(hull[-2], hull[-1], point):
            hull.pop()
        hull.append(point)
    return hull


def saved_at(points: Sequence[Pair], loss: float) -> float:
    """Saved steps that a rule has at a loss, on its frontier; beyond its last point no more than
    there."""
    hull = frontier(points)
    for (low, least), (high, most) in pairwise(hull):
        if low <= loss < high:
            return least + (most - least) * (loss - low) / (high - low)
    return hull[-1][1] if loss >= hull[-1][0] else hull[0][1]


def _turns_up(first: Pair, middle: Pair, last: Pair) -> bool:
    """Whether `middle` lies on or below the line from `first` to `last`."""
    rise = (middle[1] - first[1]) * (last[0] - first[0])
    return rise <= (last[1] - first[1]) * (middle[0] - first[0])
