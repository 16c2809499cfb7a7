"""Whole numbers in proportion to weights: how many users each class or each edge gets."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["apportion"]


def apportion(total: int, weights: Sequence[int], least: int = 0) -> list[int]:
    """`total` in proportion to `weights` by largest remainder, at least `least` for each; evenly
    where all weights are 0.

    Raises ValueError where `total` is below `least` for each.
    """
    if total < least * len(weights):
        raise ValueError(f"{total} is less than {least} for each of {len(weights)}")
    if not any(weights):
        weights = [1] * len(weights)
    exact = [total * weight / sum(weights) for weight in weights]
    counts = [max(least, int(share)) for share in exact]
    while sum(counts) != total:
        step = 1 if sum(counts) < total else -1  # above where `least` had to be met
        gaps = [step * (share - count) for share, count in zip(exact, counts, strict=True)]
        candidates = [i for i in range(len(counts)) if step > 0 or counts[i] > least]
        counts[max(candidates, key=lambda i: gaps[i])] += step
    return counts
