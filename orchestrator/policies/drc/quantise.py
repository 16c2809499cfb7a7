"""Order-preserving quantisation (36), (37) of a relaxed decision, and the exact critic of its
candidates. Compiled.

Every candidate is a prefix of the entries in falling order: the first has those above 0.5,
candidate k those above (or, at or below 0.5, down to and with) the entry that is (k - 1)-th nearest
to 0.5.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from orchestrator.policies.drc.ranking import argsort_descending

WINDOW = 32  # slots whose best candidate sets the next K
TINY = 1e-12


@njit(cache=True)
def prefixes(value: Any) -> Any:
    """(36), (37): lengths (n + 1,) of the candidates, in their order, over `value` (n,) sorted so
    that it falls."""
    n = value.shape[0]
    lengths = np.empty(n + 1, np.int64)
    lengths[0] = np.sum(value > 0.5)
    near = np.argsort(np.abs(value - 0.5), kind="mergesort")
    descending = -value
    for k in range(n):
        threshold = value[near[k]]
        if threshold <= 0.5:
            lengths[k + 1] = np.searchsorted(descending, -threshold, side="right")
        else:
            lengths[k + 1] = np.searchsorted(descending, -threshold, side="left")
    return lengths


@njit(cache=True)
def menu(asked: Any, weight: Any, cost: Any, hit: Any) -> Any:
    """What each prompt of `asked` (n,) may get, whatever the price of a miss: nothing, its cheapest
    step to compute, its cheapest step that is cached. Returns `price` (3, n) seconds, inf where
    there is none, and `step` (n, 3).

    A price on misses moves all that is computed alike, so no other step is ever the best: the
    critic looks at three numbers for each prompt instead of all steps again for each ranking.
    """
    n = asked.shape[0]
    price = np.full((3, n), np.inf)
    step = np.zeros((n, 3), np.int8)
    for i in range(n):
        r = asked[i]
        price[0, i] = cost[r, 0]
        for j in range(2, cost.shape[1]):
            kind = 2 if hit[r, j] else 1
            if cost[r, j] < price[kind, i]:
                price[kind, i] = cost[r, j]
                step[i, kind] = j
    return price, step


@njit(cache=True)
def nothing(weight: Any, price: Any, free: Any) -> Any:
    """(L, the sum and the weight of the misses) with nothing kept; arguments as in `pick`."""
    system = missed = misses = 0.0
    for a in range(weight.shape[0]):
        system += weight[a] * price[0, a]
        if not free[a]:
            missed += weight[a] * price[0, a]
            misses += weight[a]
    return system, missed, misses


@njit(cache=True)
def pick(
    weight: Any,
    price: Any,
    free: Any,
    share: float,
    q: float,
    level: float,
    taken: Any,
    change: Any,
) -> None:
    """The best of each prompt's `menu` in closed form, where a miss costs q (L - level) more:
    `taken` (n,) says which of the three, `change` (3, n) what that adds to L, to the misses' sum
    and to their weight. `weight` (n,), `price` (3, n) and `free` (n,), whether not keeping it is no
    miss, are of the prompts that a ranking counts."""
    idle = price[0]
    computed = price[1]
    found = price[2]
    system = change[0]
    missed = change[1]
    misses = change[2]
    for a in range(weight.shape[0]):  # without branches: eight prompts at once
        w = weight[a]
        was = 0.0 if free[a] else 1.0
        least = share * idle[a] + was * (q * (idle[a] - level))
        worth = share * computed[a] + q * (computed[a] - level)
        compute = worth < least  # not where it is inf, or inf times 0
        least = worth if compute else least
        find = share * found[a] < least
        cost = found[a] if find else (computed[a] if compute else idle[a])
        now = 1.0 if compute and not find else 0.0
        was = was if compute or find else 0.0
        taken[a] = 2 if find else (1 if compute else 0)
        system[a] = w * (cost - idle[a])
        missed[a] = w * ((cost if now > 0 else 0.0) - was * idle[a])
        misses[a] = w * (now - was)


@njit(cache=True)
def walk(
    order: Any, taken: Any, change: Any, start: Any, capacity: float, share: float, queue: float, target: float,
    value: Any,
) -> Any:  # fmt: skip
    """The critic: along `order` (n,) each prompt gets what `pick` says, from `start`, where nothing
    is kept.

    Fills `value` (n + 1,), (33) of each prefix; past the capacity it repeats the last that fits.
    Returns (the length of the best prefix, the sum and the weight of its misses).
    """
    system, missed, misses = start
    n = order.shape[0]
    used = 0
    room = int(capacity + 1e-9)
    last = queue * ((missed / misses if misses > TINY else 0.0) - target) + share * system
    length = 0
    best = last
    best_missed = missed
    best_misses = misses
    value[0] = last
    for i in range(n):
        a = order[i]
        if taken[a] > 0:
            if used == room:
                value[i + 1 :] = last
                break
            used += 1
            system += change[0, a]
            missed += change[1, a]
            misses += change[2, a]
            last = queue * ((missed / misses if misses > TINY else 0.0) - target) + share * system
            if last < best:
                length = i + 1
                best = last
                best_missed = missed
                best_misses = misses
        value[i + 1] = last
    return length, best_missed, best_misses


@njit(cache=True)
def keep(
    order: Any, length: int, asked: Any, step: Any, taken: Any, capacity: float, choice: Any
) -> None:
    """Write the prefix of that length, as far as it fits, into `choice` (R,)."""
    choice[:] = 0
    room = int(capacity + 1e-9)
    for i in range(length):
        a = order[i]
        if taken[a] > 0 and room > 0:
            choice[asked[a]] = step[a, taken[a]]
            room -= 1


@njit(cache=True)
def best_prefix(
    order: Any,
    weight: Any,
    cost: Any,
    hit: Any,
    capacity: float,
    queue: float,
    v: float,
    target: float,
    choice: Any,
) -> float:
    """The best of all prefixes of one ranking `order` (n,) of the requested prompts; fills `choice`
    (R,), returns its objective."""
    n = order.shape[0]
    price, step = menu(order, weight, cost, hit)
    compact = weight[order]
    free = hit[order, 0]
    share = v / max(weight.sum(), TINY)
    places = np.arange(n)
    value = np.empty(n + 1)
    taken = np.zeros(n, np.int8)
    change = np.empty((3, n))
    start = nothing(compact, price, free)
    pick(compact, price, free, share, 0.0, 0.0, taken, change)
    length, missed, misses = walk(
        places, taken, change, start, capacity, share, queue, target, value
    )
    best = value[length]
    keep(places, length, order, step, taken, capacity, choice)
    if (
        queue > 0 and misses > TINY
    ):  # again with the ratio of (33) linearised around the first answer
        pick(compact, price, free, share, queue / misses, missed / misses, taken, change)
        length, _, _ = walk(places, taken, change, start, capacity, share, queue, target, value)
        if value[length] < best:
            best = value[length]
            keep(places, length, order, step, taken, capacity, choice)
    return best


@njit(cache=True)
def decide(
    relaxed: Any, weight: Any, cost: Any, hit: Any, capacity: float, queue: float, v: float, target: float, k: int,
    choice: Any,
) -> Any:  # fmt: skip
    """Lines 5 to 9 for one lane: the best of the first `k` candidates of `relaxed` (R,) over the
    requested prompts.

    Fills `choice` (R,), returns (its objective, the index of its candidate).
    """
    asked = np.flatnonzero(weight > 0)
    n = asked.shape[0]
    order = np.empty(n, np.int64)
    argsort_descending(relaxed[asked], order, np.empty(2 * n + 1, np.int64))
    lengths = prefixes(relaxed[asked][order])
    price, step = menu(asked, weight, cost, hit)
    compact = weight[asked]
    free = hit[asked, 0]
    share = v / max(weight.sum(), TINY)
    value = np.empty(n + 1)
    taken = np.zeros(n, np.int8)
    change = np.empty((3, n))
    start = nothing(compact, price, free)
    best = np.inf
    index = 0
    q = level = 0.0
    for _ in range(
        2 if queue > 0 else 1
    ):  # again with the ratio of (33) linearised around the first answer
        pick(compact, price, free, share, q, level, taken, change)
        walk(order, taken, change, start, capacity, share, queue, target, value)
        chosen = -1
        for i in range(min(k, n + 1)):
            if value[lengths[i]] < best - 1e-15:
                best = value[lengths[i]]
                index = i
                chosen = lengths[i]
        if chosen >= 0:
            keep(order, chosen, asked, step, taken, capacity, choice)
        missed = misses = 0.0
        for r in asked:
            if not hit[r, choice[r]]:
                missed += weight[r] * cost[r, choice[r]]
                misses += weight[r]
        if misses <= TINY:
            break
        q = queue / misses
        level = missed / misses
    return best, index


@njit(cache=True)
def decide_steps(
    relaxed: Any, weight: Any, cost: Any, hit: Any, capacity: float, queue: float, v: float, target: float, k: int,
    steps: int, choice: Any,
) -> Any:  # fmt: skip
    """As `decide`, where `relaxed` (R * steps,) has an entry for every prompt and step: nothing is
    filled in; of a prompt's entries the highest counts (11), and prompts past the capacity are left
    out (10)."""
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
        r = order[i] // steps
        j = order[i] % steps + 2
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
        value[i + 1] = (
            queue * ((missed / misses if misses > 1e-12 else 0.0) - target) + share * system
        )
    best = np.inf
    index = 0
    for i in range(min(k, lengths.shape[0])):
        if value[lengths[i]] < best - 1e-15:
            best = value[lengths[i]]
            index = i
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
            relaxed[b],
            weight[b],
            cost[b],
            hit[b],
            capacity[b],
            queue[b],
            v[b],
            target[b],
            k[b],
            steps[b],
            choice[b],
        )
