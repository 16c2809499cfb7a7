"""Solvers of P2 (33) and OO (52): a multiple-choice knapsack, its ratio term linearised. Compiled;
one lane, or many.

A choice is (R,) int8: the step that is kept of each prompt, 0 for none. `size` (R,) is in units of
the prices' `capacity`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from orchestrator.decision.critic import drift_plus_penalty, lane, miss_average
from orchestrator.decision.exchange import Goal, exchange
from orchestrator.decision.knapsack import (
    all_hits,
    choose,
    instance_of,
    least_average,
    objective,
    sums_of_choice,
    totals,
)
from orchestrator.decision.objective import TINY

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
            value = drift_plus_penalty(average_s, share * sums.system_s, queue_s, prices.target_s)
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
    exchange(instance, Goal(queue_s, share, 0.0), choice)
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
    exchange(instance, goal, choice)
    for start in range(2):
        if start == 0:
            least_average(instance, trial)
        elif not all_hits(instance, trial):
            break
        exchange(instance, goal, trial)
        sums = sums_of_choice(prices, trial)
        within = sums.missed_s <= limit_s * sums.misses * (1 + TINY)
        if within and sums.system_s < sums_of_choice(prices, choice).system_s:
            choice[:] = trial
    return sums_of_choice(prices, choice).system_s


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
