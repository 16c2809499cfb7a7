"""The multiple-choice knapsack under P2 (33) and OO (52): what a choice sums to, and the best
choice at a given price of a miss. Compiled; one lane.

A choice is (R,) int8: the step that is kept of each prompt, 0 for none.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from orchestrator.decision.critic import (
    CACHED,
    IDLE,
    IDLE_MISS,
    OPTION,
    PRICE,
    WEIGHT,
    MissPrice,
    Offers,
    Sums,
    drift_plus_penalty,
    empty_selection,
    miss_average,
    offers,
    select,
)
from orchestrator.decision.objective import TINY
from orchestrator.decision.slots import SlotPrices

__all__ = [
    "Instance",
    "all_hits",
    "choose",
    "instance_of",
    "least_average",
    "objective",
    "sums_of_choice",
    "totals",
]


class Instance(NamedTuple):
    """P2 of one lane with the sizes of its outputs; the offers of its requested prompts, and an
    array to select them in."""

    prices: SlotPrices
    size: Any
    offers: Offers
    selection: Any


@njit(cache=True)
def totals(weight: Any, cost_s: Any, hit: Any, choice: Any) -> Any:
    """The sums of a choice: L of (17), the sum and the weight of the misses that (16) averages,
    |A|."""
    system_s = missed_s = misses = active = 0.0
    for r in range(weight.shape[0]):
        w = weight[r]
        if w > 0:
            j = choice[r]
            active += w
            system_s += w * cost_s[r, j]
            if not hit[r, j]:
                missed_s += w * cost_s[r, j]
                misses += w
    return Sums(system_s, missed_s, misses, active)


@njit(cache=True)
def sums_of_choice(prices: Any, choice: Any) -> Any:
    """`totals` of a lane's prices."""
    return totals(prices.weight, prices.cost_s, prices.hit, choice)


@njit(cache=True)
def objective(prices: Any, choice: Any) -> float:
    """(33) of a choice."""
    sums = sums_of_choice(prices, choice)
    average_s = miss_average(sums.missed_s, sums.misses)
    penalty = prices.weight_v * sums.system_s / max(sums.active, TINY)
    return drift_plus_penalty(average_s, penalty, prices.queue_s, prices.target_s)


@njit(cache=True)
def instance_of(prices: Any, size: Any) -> Any:
    """A lane, ready to be solved."""
    requested = np.flatnonzero(prices.weight > 0)
    selection = empty_selection(requested.shape[0])
    return Instance(prices, size, offers(requested, prices), selection)


@njit(cache=True)
def choose(instance: Any, share: float, q: float, level_s: float, choice: Any) -> None:
    """Fill `choice` with what minimises the sum of share L + q (L - level) [miss]: the best step of
    each prompt, then by benefit per size."""
    menu = instance.offers
    table = menu.table
    select(table, MissPrice(share, q, level_s), instance.selection)
    option = instance.selection[OPTION].astype(np.int64)
    n = option.shape[0]
    benefit = np.zeros(n)
    for a in range(n):
        if option[a] == IDLE:
            continue
        idle_s = table[PRICE + IDLE, a]
        nothing = share * idle_s + (q * (idle_s - level_s) if table[IDLE_MISS, a] > 0 else 0.0)
        cost_s = table[PRICE + option[a], a]
        least = share * cost_s + (0.0 if option[a] == CACHED else q * (cost_s - level_s))
        benefit[a] = table[WEIGHT, a] * (nothing - least)
    worth = np.flatnonzero(benefit > 0)
    size = instance.size[menu.prompt[worth]]
    choice[:] = 0
    room = instance.prices.capacity + 1e-9
    for a in worth[np.argsort(-benefit[worth] / size, kind="mergesort")]:
        r = menu.prompt[a]
        if instance.size[r] <= room:
            choice[r] = menu.step[a, option[a]]
            room -= instance.size[r]


@njit(cache=True)
def least_average(instance: Any, choice: Any) -> float:
    """Minimise L_avg of (16) (Dinkelbach: at the least ratio, sum of (L - ratio) over the misses is
    0). Fills `choice`, returns L_avg."""
    trial = np.zeros_like(choice)
    choice[:] = 0
    sums = sums_of_choice(instance.prices, choice)
    level_s = sums.missed_s / max(sums.misses, TINY)
    for _ in range(12):
        choose(instance, 0.0, 1.0, level_s, trial)
        sums = sums_of_choice(instance.prices, trial)
        average_s = miss_average(sums.missed_s, sums.misses)
        if average_s >= level_s - TINY:
            break
        level_s = average_s
        choice[:] = trial
    return level_s


@njit(cache=True)
def all_hits(instance: Any, choice: Any) -> bool:
    """Fill `choice` so that every prompt is served from the cache, where that is possible: L_avg is
    then 0, which no slope shows."""
    weight = instance.prices.weight
    hit = instance.prices.hit
    size = instance.size
    room = instance.prices.capacity + 1e-9
    for r in range(weight.shape[0]):
        choice[r] = 0
        if weight[r] <= 0 or hit[r, 0]:
            continue
        for j in range(2, hit.shape[1]):
            if hit[r, j]:
                choice[r] = j
        if choice[r] == 0 or size[r] > room:
            return False
        room -= size[r]
    return True
