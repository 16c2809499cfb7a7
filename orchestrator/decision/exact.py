"""P2 (33) and OO (52) solved: a multiple-choice knapsack, its ratio term linearised. Compiled; one
lane, or many.

Shapes, for one lane: `weight` (R,), how much a prompt counts: 1 where it was requested, 0 where
not, its chance of being requested where demand is forecast; `cost` (R, J) seconds, L_r(j) for j =
0..J-1, inf where j may not be chosen; `hit` (R, J), whether choice j is served from the cache (O =
0); `size` (R,) in units of `capacity`; a choice is (R,) int8, 0 = nothing kept. |A| is the sum of
the weights.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

SORTS = 5  # the ratio term is linearised this often
PRICES = 24  # multipliers that OO tries
FEW = 16  # prompts: with so few the ratio is lumpy, and single exchanges are looked at too
TINY = 1e-12


@njit(cache=True)
def totals(weight: Any, cost: Any, hit: Any, choice: Any) -> Any:
    """(L of (17), the sum and the weight of the misses that (16) averages, |A|) of a choice."""
    system = missed = misses = active = 0.0
    for r in range(weight.shape[0]):
        w = weight[r]
        if w > 0:
            j = choice[r]
            active += w
            system += w * cost[r, j]
            if not hit[r, j]:
                missed += w * cost[r, j]
                misses += w
    return system, missed, misses, active


@njit(cache=True)
def objective(
    weight: Any, cost: Any, hit: Any, choice: Any, queue: float, v: float, target: float
) -> float:
    """(33): Q (L_avg - Lbar) + V L / |A|; L_avg is 0 where nothing misses (16)."""
    system, missed, misses, active = totals(weight, cost, hit, choice)
    average = missed / misses if misses > TINY else 0.0
    return queue * (average - target) + v * system / max(active, TINY)


@njit(cache=True)
def pick(
    weight: Any,
    cost: Any,
    hit: Any,
    size: Any,
    capacity: float,
    v: float,
    q: float,
    level: float,
    choice: Any,
) -> None:
    """The choice that minimises sum of v L + q (L - level) [miss]: best j for each prompt, then by
    benefit per size."""
    n, steps = cost.shape
    gain = np.zeros(n)
    best = np.zeros(n, np.int8)
    for r in range(n):
        choice[r] = 0
        if weight[r] <= 0:
            continue
        nothing = v * cost[r, 0] + (0.0 if hit[r, 0] else q * (cost[r, 0] - level))
        least = nothing
        for j in range(2, steps):
            if cost[r, j] == np.inf:
                continue
            value = v * cost[r, j] + (0.0 if hit[r, j] else q * (cost[r, j] - level))
            if value < least:
                least = value
                best[r] = j
        gain[r] = weight[r] * (nothing - least)
    worth = np.flatnonzero(gain > 0)
    order = worth[np.argsort(-gain[worth] / size[worth], kind="mergesort")]
    _fill(order, best, size, capacity, choice)


@njit(cache=True)
def _fill(order: Any, best: Any, size: Any, capacity: float, choice: Any) -> None:
    room = capacity + 1e-9
    for r in order:
        if size[r] <= room:
            choice[r] = best[r]
            room -= size[r]


@njit(cache=True)
def least_average(
    weight: Any, cost: Any, hit: Any, size: Any, capacity: float, choice: Any
) -> float:
    """Minimise L_avg of (16) (Dinkelbach: at the least ratio, sum of (L - ratio) over the misses is
    0)."""
    level = np.inf
    trial = np.zeros_like(choice)
    for r in range(weight.shape[0]):
        choice[r] = 0
    _, missed, misses, _ = totals(weight, cost, hit, choice)
    level = missed / max(misses, TINY)
    for _ in range(12):
        pick(weight, cost, hit, size, capacity, 0.0, 1.0, level, trial)
        _, missed, misses, _ = totals(weight, cost, hit, trial)
        ratio = missed / misses if misses > TINY else 0.0
        if ratio >= level - TINY:
            break
        level = ratio
        choice[:] = trial
    return level


@njit(cache=True)
def all_hits(weight: Any, hit: Any, size: Any, capacity: float, choice: Any) -> bool:
    """The choice that serves every prompt from the cache, where there is one: L_avg is then 0,
    which no slope shows."""
    room = capacity + 1e-9
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
def solve(
    weight: Any,
    cost: Any,
    hit: Any,
    size: Any,
    capacity: float,
    queue: float,
    v: float,
    target: float,
    choice: Any,
) -> float:
    """Minimise (33) under (10) and (11); fills `choice`, returns the objective.

    With Q = 0 and equal sizes one sort is exact. Otherwise the ratio N/M is linearised around the
    last choice, at most SORTS times, from the cheapest choice and from the one of least L_avg; the
    best that was seen is taken.
    """
    n = weight.shape[0]
    active = 0.0
    for r in range(n):
        active += weight[r]
    share = v / max(active, TINY)
    pick(weight, cost, hit, size, capacity, share, 0.0, 0.0, choice)
    best = objective(weight, cost, hit, choice, queue, v, target)
    if queue <= 0:
        return best
    trial = choice.copy()
    if all_hits(weight, hit, size, capacity, trial):
        value = objective(weight, cost, hit, trial, queue, v, target)
        if value < best:
            best = value
            choice[:] = trial
    for start in range(3):
        if start == 1:
            least_average(weight, cost, hit, size, capacity, trial)
        elif start == 2:  # few misses are dear: look from where only one is left
            pick(
                weight,
                cost,
                hit,
                size,
                capacity,
                share,
                queue / max(1.0, 0.25 * active),
                0.0,
                trial,
            )
        else:
            trial[:] = choice
        last = np.inf
        for _ in range(SORTS):
            system, missed, misses, _ = totals(weight, cost, hit, trial)
            average = missed / misses if misses > TINY else 0.0
            value = queue * (average - target) + share * system
            if value < best:
                best = value
                choice[:] = trial
            if misses <= TINY or abs(value - last) < 1e-15:
                break
            last = value
            pick(weight, cost, hit, size, capacity, share, queue / misses, average, trial)
        value = objective(weight, cost, hit, trial, queue, v, target)
        if value < best:
            best = value
            choice[:] = trial
    if active > FEW:
        return best
    _polish(weight, cost, hit, size, capacity, queue, share, 0.0, choice)
    return objective(weight, cost, hit, choice, queue, v, target)


@njit(cache=True)
def solve_oo(
    weight: Any, cost: Any, hit: Any, size: Any, capacity: float, limit: float, choice: Any
) -> float:
    """(52): minimise L under L_avg <= `limit`; where no choice meets it, minimise L_avg. Fills
    `choice`, returns L.

    A price on the violation is bisected; the cheapest choice that keeps the limit is taken.
    """
    pick(weight, cost, hit, size, capacity, 1.0, 0.0, 0.0, choice)
    system, missed, misses, _ = totals(weight, cost, hit, choice)
    if misses <= TINY or missed <= limit * misses:
        return system
    trial = choice.copy()
    if not all_hits(weight, hit, size, capacity, choice) and (
        least_average(weight, cost, hit, size, capacity, choice) > limit
    ):
        return totals(weight, cost, hit, choice)[0]
    best = totals(weight, cost, hit, choice)[0]
    low = 0.0
    high = 1.0
    bracketed = False
    for _ in range(PRICES):
        price = 0.5 * (low + high) if bracketed else high
        pick(weight, cost, hit, size, capacity, 1.0, price, limit, trial)
        system, missed, misses, _ = totals(weight, cost, hit, trial)
        if missed <= limit * misses + TINY:
            bracketed = True
            high = price
            if system < best:
                best = system
                choice[:] = trial
        else:
            low = price
            if not bracketed:
                high *= 4.0
    if totals(weight, cost, hit, choice)[3] > 3 * FEW:
        return best
    _polish(weight, cost, hit, size, capacity, 0.0, 1.0, limit, choice)
    for start in range(2):
        if start == 0:
            least_average(weight, cost, hit, size, capacity, trial)
        elif not all_hits(weight, hit, size, capacity, trial):
            break
        _polish(weight, cost, hit, size, capacity, 0.0, 1.0, limit, trial)
        system, missed, misses, _ = totals(weight, cost, hit, trial)
        if missed <= limit * misses * (1 + TINY) and system < totals(weight, cost, hit, choice)[0]:
            choice[:] = trial
    return totals(weight, cost, hit, choice)[0]


@njit(cache=True)
def _polish(
    weight: Any,
    cost: Any,
    hit: Any,
    size: Any,
    capacity: float,
    queue: float,
    share: float,
    limit: float,
    choice: Any,
) -> None:
    """What slopes leave open, an item or two: the best single change or swap, again and again. The
    value is (33) where `limit` is 0, else L under L_avg <= `limit`."""
    n, steps = cost.shape
    for _ in range(n):
        system, missed, misses, _ = totals(weight, cost, hit, choice)
        least = _value(system, missed, misses, queue, share, limit) - 1e-12
        used = 0.0
        for r in range(n):
            used += size[r] if choice[r] > 0 else 0.0
        at = -1
        to = 0
        out = -1
        for r in range(n):
            if weight[r] <= 0:
                continue
            for j in range(steps):
                if j == 1 or j == choice[r] or cost[r, j] == np.inf:
                    continue
                moved = _moved(weight, cost, hit, choice, r, j, system, missed, misses)
                room = (
                    capacity
                    + 1e-9
                    - used
                    - size[r] * ((1 if j > 0 else 0) - (1 if choice[r] > 0 else 0))
                )
                if room >= 0:
                    value = _value(moved[0], moved[1], moved[2], queue, share, limit)
                    if value < least:
                        least = value
                        at = r
                        to = j
                        out = -1
                    continue
                for s in range(n):
                    if s == r or choice[s] == 0 or weight[s] <= 0 or room + size[s] < 0:
                        continue
                    both = _moved(weight, cost, hit, choice, s, 0, moved[0], moved[1], moved[2])
                    value = _value(both[0], both[1], both[2], queue, share, limit)
                    if value < least:
                        least = value
                        at = r
                        to = j
                        out = s
        if at < 0:
            return
        choice[at] = to
        if out >= 0:
            choice[out] = 0


@njit(cache=True)
def _value(
    system: float, missed: float, misses: float, queue: float, share: float, limit: float
) -> float:
    average = missed / misses if misses > TINY else 0.0
    if limit > 0:
        return system if average <= limit * (1 + 1e-12) else np.inf
    return queue * average + share * system


@njit(cache=True)
def _moved(
    weight: Any,
    cost: Any,
    hit: Any,
    choice: Any,
    r: int,
    j: int,
    system: float,
    missed: float,
    misses: float,
) -> Any:
    """The totals after prompt r changes to choice j."""
    before = choice[r]
    if not hit[r, before]:
        missed -= weight[r] * cost[r, before]
        misses -= weight[r]
    if not hit[r, j]:
        missed += weight[r] * cost[r, j]
        misses += weight[r]
    return system + weight[r] * (cost[r, j] - cost[r, before]), missed, misses


@njit(cache=True)
def solve_lanes(
    weight: Any,
    cost: Any,
    hit: Any,
    capacity: Any,
    queue: Any,
    v: Any,
    target: Any,
    choice: Any,
    value: Any,
) -> None:
    """`solve` for lanes of equal sizes: arrays have a lane axis in front, `capacity` counts
    items."""
    size = np.ones(weight.shape[1])
    for b in range(weight.shape[0]):
        value[b] = solve(
            weight[b], cost[b], hit[b], size, capacity[b], queue[b], v[b], target[b], choice[b]
        )


@njit(cache=True)
def objective_lanes(
    weight: Any, cost: Any, hit: Any, choice: Any, queue: Any, v: Any, target: Any
) -> Any:
    """(33) of each lane's choice."""
    value = np.empty(weight.shape[0])
    for b in range(weight.shape[0]):
        value[b] = objective(weight[b], cost[b], hit[b], choice[b], queue[b], v[b], target[b])
    return value
