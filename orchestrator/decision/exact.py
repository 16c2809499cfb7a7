"""P2 (33) and OO (52) solved: a multiple-choice knapsack, its ratio term linearised. Compiled; one
lane, or many.

A choice is (R,) int8: the step that is kept of each prompt, 0 for none. `size` (R,) is in units of
the prices' `capacity`.
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
    empty_selection,
    lane,
    miss_average,
    offers,
    select,
)
from orchestrator.decision.critic import drift_plus_penalty as value_33
from orchestrator.decision.objective import TINY
from orchestrator.decision.slots import SlotPrices

__all__ = [
    "objective",
    "objective_lanes",
    "solve",
    "solve_lanes",
    "solve_oo",
    "solve_oo_lanes",
    "totals",
]

SORTS = 5  # the ratio term is linearised this often
PRICES = 24  # multipliers that OO tries
FEW = 16  # prompts: with so few the ratio is lumpy, and single exchanges are looked at too


class Instance(NamedTuple):
    """P2 of one lane with the sizes of its outputs; the offers of its requested prompts, and an
    array to select them in."""

    prices: SlotPrices
    size: Any
    offers: Offers
    selection: Any


class Goal(NamedTuple):
    """What single exchanges make smaller: (33) without Q Lbar where `limit_s` is 0, else L under
    L_avg <= `limit_s`."""

    queue_s: float
    share: float
    limit_s: float


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
    return value_33(average_s, penalty, prices.queue_s, prices.target_s)


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


@njit(cache=True)
def solve(prices: Any, size: Any, choice: Any) -> float:
    """Minimise (33) under (10) and (11); fills `choice` (R,), returns the objective.

    With Q = 0 and equal sizes one sort is exact. Otherwise the ratio of (33) is linearised around
    the last choice, at most SORTS times, from the cheapest choice, from the one of least L_avg and
    from where misses are few; the best choice on the way is the answer.
    """
    instance = instance_of(prices, size)
    queue_s = prices.queue_s
    active = prices.weight.sum()
    share = prices.weight_v / max(active, TINY)
    choose(instance, share, 0.0, 0.0, choice)
    best = objective(prices, choice)
    if queue_s <= 0:
        return best
    trial = choice.copy()
    if all_hits(instance, trial):
        value = objective(prices, trial)
        if value < best:
            best = value
            choice[:] = trial
    for start in range(3):
        if start == 1:
            least_average(instance, trial)
        elif start == 2:  # few misses are dear: look from where only one is left
            choose(instance, share, queue_s / max(1.0, 0.25 * active), 0.0, trial)
        else:
            trial[:] = choice
        last = np.inf
        for _ in range(SORTS):
            sums = sums_of_choice(prices, trial)
            average_s = miss_average(sums.missed_s, sums.misses)
            value = value_33(average_s, share * sums.system_s, queue_s, prices.target_s)
            if value < best:
                best = value
                choice[:] = trial
            if sums.misses <= TINY or abs(value - last) < 1e-15:
                break
            last = value
            choose(instance, share, queue_s / sums.misses, average_s, trial)
        value = objective(prices, trial)
        if value < best:
            best = value
            choice[:] = trial
    if active > FEW:
        return best
    _exchange(instance, Goal(queue_s, share, 0.0), choice)
    return objective(prices, choice)


@njit(cache=True)
def solve_oo(prices: Any, size: Any, choice: Any) -> float:
    """(52): minimise L under L_avg <= the prices' target; where no choice meets it, minimise L_avg.
    Fills `choice` (R,), returns L.

    A price on the violation is bisected; the cheapest choice that keeps the limit is the answer.
    """
    instance = instance_of(prices, size)
    limit_s = prices.target_s
    choose(instance, 1.0, 0.0, 0.0, choice)
    sums = sums_of_choice(prices, choice)
    if sums.misses <= TINY or sums.missed_s <= limit_s * sums.misses:
        return sums.system_s
    trial = choice.copy()
    if not all_hits(instance, choice) and least_average(instance, choice) > limit_s:
        return sums_of_choice(prices, choice).system_s
    best = sums_of_choice(prices, choice).system_s
    low = 0.0
    high = 1.0
    bracketed = False
    for _ in range(PRICES):
        price = 0.5 * (low + high) if bracketed else high
        choose(instance, 1.0, price, limit_s, trial)
        sums = sums_of_choice(prices, trial)
        if sums.missed_s <= limit_s * sums.misses + TINY:
            bracketed = True
            high = price
            if sums.system_s < best:
                best = sums.system_s
                choice[:] = trial
        else:
            low = price
            if not bracketed:
                high *= 4.0
    if sums_of_choice(prices, choice).active > 3 * FEW:
        return best
    goal = Goal(0.0, 1.0, limit_s)
    _exchange(instance, goal, choice)
    for start in range(2):
        if start == 0:
            least_average(instance, trial)
        elif not all_hits(instance, trial):
            break
        _exchange(instance, goal, trial)
        sums = sums_of_choice(prices, trial)
        within = sums.missed_s <= limit_s * sums.misses * (1 + TINY)
        if within and sums.system_s < sums_of_choice(prices, choice).system_s:
            choice[:] = trial
    return sums_of_choice(prices, choice).system_s


@njit(cache=True)
def _exchange(instance: Any, goal: Any, choice: Any) -> None:
    """Improve `choice` by what slopes leave open, an item or two: the best single change or swap,
    again and again."""
    prices = instance.prices
    weight = prices.weight
    cost_s = prices.cost_s
    size = instance.size
    n, steps = cost_s.shape
    for _ in range(n):
        sums = sums_of_choice(prices, choice)
        least = _value(sums, goal) - 1e-12
        used = 0.0
        for r in range(n):
            used += size[r] if choice[r] > 0 else 0.0
        prompt = -1
        step = 0
        evicted = -1
        for r in range(n):
            if weight[r] <= 0:
                continue
            for j in range(steps):
                if j == 1 or j == choice[r] or cost_s[r, j] == np.inf:
                    continue
                moved = _moved(prices, choice, r, j, sums)
                more = (1 if j > 0 else 0) - (1 if choice[r] > 0 else 0)
                room = prices.capacity + 1e-9 - used - size[r] * more
                if room >= 0:
                    value = _value(moved, goal)
                    if value < least:
                        least = value
                        prompt = r
                        step = j
                        evicted = -1
                    continue
                for s in range(n):
                    if s == r or choice[s] == 0 or weight[s] <= 0 or room + size[s] < 0:
                        continue
                    value = _value(_moved(prices, choice, s, 0, moved), goal)
                    if value < least:
                        least = value
                        prompt = r
                        step = j
                        evicted = s
        if prompt < 0:
            return
        choice[prompt] = step
        if evicted >= 0:
            choice[evicted] = 0


@njit(cache=True)
def _value(sums: Any, goal: Any) -> float:
    average_s = miss_average(sums.missed_s, sums.misses)
    if goal.limit_s > 0:
        return sums.system_s if average_s <= goal.limit_s * (1 + 1e-12) else np.inf
    return value_33(average_s, goal.share * sums.system_s, goal.queue_s, 0.0)


@njit(cache=True)
def _moved(prices: Any, choice: Any, r: int, j: int, sums: Any) -> Any:
    """The sums after prompt r changes to choice j."""
    before = choice[r]
    w = prices.weight[r]
    cost_s = prices.cost_s[r]
    missed_s = sums.missed_s
    misses = sums.misses
    if not prices.hit[r, before]:
        missed_s -= w * cost_s[before]
        misses -= w
    if not prices.hit[r, j]:
        missed_s += w * cost_s[j]
        misses += w
    system_s = sums.system_s + w * (cost_s[j] - cost_s[before])
    return Sums(system_s, missed_s, misses, sums.active)


@njit(cache=True)
def solve_lanes(prices: Any, choice: Any, value: Any) -> None:
    """Fill `choice` (B, R) and `value` (B,) by `solve` in every lane: all outputs are of one size,
    and capacity counts them."""
    size = np.ones(choice.shape[1])
    for b in range(choice.shape[0]):
        value[b] = solve(lane(prices, b), size, choice[b])


@njit(cache=True)
def solve_oo_lanes(prices: Any, choice: Any) -> None:
    """Fill `choice` (B, R) by `solve_oo` in every lane: all outputs are of one size."""
    size = np.ones(choice.shape[1])
    for b in range(choice.shape[0]):
        solve_oo(lane(prices, b), size, choice[b])


@njit(cache=True)
def objective_lanes(prices: Any, choice: Any) -> Any:
    """(33) of each lane's choice (B, R), shape (B,)."""
    value = np.empty(choice.shape[0])
    for b in range(choice.shape[0]):
        value[b] = objective(lane(prices, b), choice[b])
    return value
