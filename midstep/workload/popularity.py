"""Popularity of prompts: Zipf over ranks, and pairs of ranks that exchange their items from slot to
slot. A run's workload, the closed and the open simulator share this law.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from midstep.draws import DRIFT, uniform, uniforms

__all__ = [
    "RankDrift",
    "rank_at",
    "ranks_at",
    "swap_count",
    "swap_pairs",
    "swap_ranks",
    "zipf_shares",
    "zipf_weights",
]

Floats = NDArray[np.float64]
Ids = NDArray[np.int64]


def zipf_weights(items: int, exponent: float) -> Floats:
    """rank^-exponent of the ranks 1..items, (items,)."""
    return np.asarray(np.arange(1, items + 1, dtype=np.float64) ** -exponent)


def zipf_shares(items: int, exponent: float) -> Floats:
    """Each rank's share of the requests, (items,); they sum to 1."""
    weight = zipf_weights(items, exponent)
    return np.asarray(weight / weight.sum())


def ranks_at(cumulative: Floats, uniform: ArrayLike) -> Ids:
    """The ranks, from 0, at points (n,) of [0, 1) where `cumulative` (items,) adds up the ranks'
    weights."""
    points = np.asarray(uniform) * cumulative[-1]
    ranks = np.searchsorted(cumulative, points, side="right")
    return np.asarray(np.minimum(ranks, len(cumulative) - 1), np.int64)  # the last bit may round up


def rank_at(cumulative: Sequence[float], uniform: float) -> int:
    """`ranks_at` for one point, where an array would cost more than the search."""
    rank = bisect_right(cumulative, uniform * cumulative[-1])
    return min(rank, len(cumulative) - 1)


def swap_count(expected: ArrayLike, uniform: ArrayLike) -> Ids:
    """How many swaps a slot has where `expected` are due: their whole part, and one more with the
    odds of the rest. Scalars, or arrays that broadcast."""
    swaps = np.asarray(expected, np.float64)
    whole = np.floor(swaps)
    return np.asarray(whole + (np.asarray(uniform) < swaps - whole), np.int64)


def swap_pairs(seed: ArrayLike, slot: int, count: int, items: int) -> Ids:
    """The pairs of ranks that exchange their items at the start of a slot, in order, (count, 2);
    (..., count, 2) of an array of seeds."""
    seeds = np.asarray(seed)[..., None, None]
    points = uniforms(seeds, DRIFT, slot, [1, 2], np.arange(count)[:, None])
    return np.asarray((points * items).astype(np.int64))


def swap_ranks(order: NDArray[Any], pairs: Ids) -> None:
    """Let pairs (swaps, 2) of places exchange what `order` (items,) has at them, in place, one pair
    after the other."""
    for a, b in pairs.tolist():
        order[a], order[b] = order[b], order[a]


class RankDrift:
    """Which item holds which popularity rank in each slot: `swaps_per_slot` random pairs of ranks
    exchange."""

    def __init__(self, items: int, swaps_per_slot: float, seed: int) -> None:
        self._swaps = swaps_per_slot
        self._seed = seed
        self._slot = 0
        self._order: Ids = np.arange(items)

    def order(self, slot: int) -> Ids:
        """The item of each rank, most popular first, (items,). Any slot may follow any other;
        forward is cheap."""
        if slot < self._slot:
            self._order = np.arange(len(self._order))
            self._slot = 0
        while self._slot < slot:
            self._slot += 1
            count = int(swap_count(self._swaps, uniform(self._seed, DRIFT, self._slot)))
            if count:
                swap_ranks(self._order, swap_pairs(self._seed, self._slot, count, len(self._order)))
        return self._order
