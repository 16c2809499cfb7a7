"""Order-preserving quantisation (36), (37) of a relaxed decision, and the exact critic of its candidates. Compiled.

Every candidate is a prefix of the entries in falling order: the first has the entries above 0.5, candidate k those above
(or, at or below 0.5, down to and with) the entry that is (k - 1)-th nearest to 0.5.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from orchestrator.learning.ranking import falling

WINDOW = 32  # slots whose best candidate sets the next K
TINY = 1e-12


@njit(cache=True)
def prefixes(value: Any) -> Any:
    """(36), (37): lengths (n + 1,) of the candidates, in their order, over `value` (n,) sorted so that it falls."""
    n = value.shape[0]
    lengths = np.empty(n + 1, np.int64)
    lengths[0] = np.sum(value > 0.5)
    near = np.argsort(np.abs(value - 0.5), kind="mergesort")
    falling = -value
    for k in range(n):
        threshold = value[near[k]]
        if threshold <= 0.5:
            lengths[k + 1] = np.searchsorted(falling, -threshold, side="right")
        else:
            lengths[k + 1] = np.searchsorted(falling, -threshold, side="left")
    return lengths


@njit(cache=True)
def menu(asked: Any, weight: Any, cost: Any, hit: Any) -> Any:
    """What each prompt of `asked` (n,) may get, whatever the price of a miss: nothing, its cheapest step to compute, its
    cheapest step that is cached. Returns `price` (n, 3) seconds, inf where there is none, and `step` (n, 3).

    A price on misses moves all that is computed alike, so no other step is ever the best: the critic looks at three
    numbers for each prompt instead of all steps again for each ranking.
    """
    n = asked.shape[0]
    price, step = np.full((n, 3), np.inf), np.zeros((n, 3), np.int8)
    for i in range(n):
        r = asked[i]
        price[i, 0] = cost[r, 0]
        for j in range(2, cost.shape[1]):
            kind = 2 if hit[r, j] else 1
            if cost[r, j] < price[i, kind]:
                price[i, kind], step[i, kind] = cost[r, j], j
    return price, step


@njit(cache=True)
def walk(
    order: Any, weight: Any, price: Any, free: Any, capacity: float, share: float, q: float, level: float,
    queue: float, target: float, value: Any, taken: Any,
) -> Any:  # fmt: skip
    """The critic: along `order` (n,) each prompt takes the best of its `menu` in closed form, where a miss costs q (L -
    level) more; `taken` (n,) says which of the three. `weight` (n,), `price` (n, 3) and `free` (n,), whether not
    keeping it is no miss, are of the prompts that `order` counts.

    Fills `value` (n + 1,), (33) of each prefix; past the capacity it repeats the last that fits. Returns (the length of
    the best prefix, the sum and the weight of its misses).
    """
    system = missed = misses = used = 0.0
    for i in range(weight.shape[0]):
        system += weight[i] * price[i, 0]
        if not free[i]:
            missed += weight[i] * price[i, 0]
            misses += weight[i]
    value[0] = queue * ((missed / misses if misses > TINY else 0.0) - target) + share * system
    length, best, best_missed, best_misses = 0, value[0], missed, misses
    for i in range(order.shape[0]):
        a = order[i]
        choice = 0
        if used + 1 <= capacity + 1e-9:
            least = share * price[a, 0] + (0.0 if free[a] else q * (price[a, 0] - level))
            if price[a, 1] < np.inf:
                worth = share * price[a, 1] + q * (price[a, 1] - level)
                if worth < least:
                    least, choice = worth, 1
            if share * price[a, 2] < least:
                choice = 2
        taken[a] = choice
        if choice == 0:
            value[i + 1] = value[i]
            continue
        used += 1
        system += weight[a] * (price[a, choice] - price[a, 0])
        if not free[a]:
            missed -= weight[a] * price[a, 0]
            misses -= weight[a]
        if choice == 1:
            missed += weight[a] * price[a, 1]
            misses += weight[a]
        value[i + 1] = queue * ((missed / misses if misses > TINY else 0.0) - target) + share * system
        if value[i + 1] < best:
            length, best, best_missed, best_misses = i + 1, value[i + 1], missed, misses
    return length, best_missed, best_misses


@njit(cache=True)
def best_length(
    order: Any, weight: Any, price: Any, free: Any, capacity: float, share: float, queue: float, target: float,
    value: Any, taken: Any, other: Any,
) -> Any:  # fmt: skip
    """(the length of the best of all prefixes of `order`, its objective); see `walk`. With a queue the ranking is walked
    again, the ratio of (33) linearised around the first answer."""
    length, missed, misses = walk(
        order, weight, price, free, capacity, share, 0.0, 0.0, queue, target, value, taken
    )
    best = value[length]
    if queue > 0 and misses > TINY:
        again, _, _ = walk(
            order, weight, price, free, capacity, share, queue / misses, missed / misses, queue, target, value, other
        )
        if value[again] < best:
            length, best = again, value[again]
            taken[:] = other
    return length, best


@njit(cache=True)
def keep(order: Any, length: int, asked: Any, step: Any, taken: Any, choice: Any) -> None:
    """Write the prefix of that length into `choice` (R,)."""
    choice[:] = 0
    for i in range(length):
        a = order[i]
        choice[asked[a]] = step[a, taken[a]]


@njit(cache=True)
def best_prefix(
    order: Any, weight: Any, cost: Any, hit: Any, capacity: float, queue: float, v: float, target: float, choice: Any
) -> float:
    """The best of all prefixes of one ranking `order` (n,) of the requested prompts; fills `choice` (R,), returns its
    objective."""
    n = order.shape[0]
    price, step = menu(order, weight, cost, hit)
    places, value, taken, other = np.arange(n), np.empty(n + 1), np.zeros(n, np.int8), np.zeros(n, np.int8)
    share = v / max(weight.sum(), TINY)
    length, best = best_length(
        places, weight[order], price, hit[order, 0], capacity, share, queue, target, value, taken, other
    )
    keep(places, length, order, step, taken, choice)
    return best


@njit(cache=True)
def decide(
    relaxed: Any, weight: Any, cost: Any, hit: Any, capacity: float, queue: float, v: float, target: float, k: int,
    choice: Any,
) -> Any:  # fmt: skip
    """Lines 5 to 9 for one lane: the best of the first `k` candidates of `relaxed` (R,) over the requested prompts.

    Fills `choice` (R,), returns (its objective, the index of its candidate).
    """
    asked = np.flatnonzero(weight > 0)
    order = falling(relaxed[asked])
    n = order.shape[0]
    lengths = prefixes(relaxed[asked][order])
    price, step = menu(asked, weight, cost, hit)
    compact, free = weight[asked], hit[asked, 0]
    share = v / max(weight.sum(), TINY)
    value, taken = np.empty(n + 1), np.zeros(n, np.int8)
    best, index = np.inf, 0
    q = level = 0.0
    for _ in range(2 if queue > 0 else 1):  # again with the ratio of (33) linearised around the first answer
        walk(order, compact, price, free, capacity, share, q, level, queue, target, value, taken)
        chosen = -1
        for i in range(min(k, n + 1)):
            if value[lengths[i]] < best - 1e-15:
                best, index, chosen = value[lengths[i]], i, lengths[i]
        if chosen >= 0:
            keep(order, chosen, asked, step, taken, choice)
        missed = misses = 0.0
        for r in asked:
            if not hit[r, choice[r]]:
                missed += weight[r] * cost[r, choice[r]]
                misses += weight[r]
        if misses <= TINY:
            break
        q, level = queue / misses, missed / misses
    return best, index


@njit(cache=True)
def decide_steps(
    relaxed: Any, weight: Any, cost: Any, hit: Any, capacity: float, queue: float, v: float, target: float, k: int,
    steps: int, choice: Any,
) -> Any:  # fmt: skip
    """As `decide`, where `relaxed` (R * steps,) has an entry for every prompt and step: nothing is filled in; of a
    prompt's entries the highest counts (11), and prompts past the capacity are left out (10)."""
    items = weight.shape[0]
    asked = np.flatnonzero(weight > 0)
    entries = np.empty(asked.shape[0] * steps, np.int64)
    for i in range(asked.shape[0]):
        for s in range(steps):
            entries[i * steps + s] = asked[i] * steps + s
    order = entries[np.argsort(-relaxed[entries], kind="mergesort")]
    lengths = prefixes(relaxed[order])
    active = weight.sum()
    share = v / max(active, 1e-12)
    value = np.empty(order.shape[0] + 1)
    taken = np.zeros(items, np.int8)
    system = missed = misses = used = 0.0
    for r in asked:
        system += weight[r] * cost[r, 0]
        if not hit[r, 0]:
            missed += weight[r] * cost[r, 0]
            misses += weight[r]
    value[0] = queue * ((missed / misses if misses > 1e-12 else 0.0) - target) + share * system
    for i in range(order.shape[0]):
        r, j = order[i] // steps, order[i] % steps + 2
        if taken[r] == 0 and used + 1 <= capacity + 1e-9:
            used += 1
            taken[r] = j
            system += weight[r] * (cost[r, j] - cost[r, 0])
            if not hit[r, 0]:
                missed -= weight[r] * cost[r, 0]
                misses -= weight[r]
            if not hit[r, j]:
                missed += weight[r] * cost[r, j]
                misses += weight[r]
        value[i + 1] = queue * ((missed / misses if misses > 1e-12 else 0.0) - target) + share * system
    best, index = np.inf, 0
    for i in range(min(k, lengths.shape[0])):
        if value[lengths[i]] < best - 1e-15:
            best, index = value[lengths[i]], i
    choice[:] = 0
    used = 0.0
    for i in range(lengths[index]):
        r = order[i] // steps
        if choice[r] == 0 and used + 1 <= capacity + 1e-9:
            used += 1
            choice[r] = order[i] % steps + 2
    return best, index


@njit(cache=True)
def decide_steps_lanes(
    relaxed: Any, weight: Any, cost: Any, hit: Any, capacity: Any, queue: Any, v: Any, target: Any, k: Any, steps: Any,
    choice: Any, index: Any,
) -> None:  # fmt: skip
    """`decide_steps` in every lane."""
    for b in range(weight.shape[0]):
        _, index[b] = decide_steps(
            relaxed[b], weight[b], cost[b], hit[b], capacity[b], queue[b], v[b], target[b], k[b], steps[b], choice[b]
        )
