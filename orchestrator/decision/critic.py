"""The critic of P2 (33): what a ranking's prefixes are worth, each prompt at its best step in
closed form. Compiled; one lane.

A ranking is an order of the requested prompts; the choice of its prefix of length l keeps those of
the first l that are worth keeping, as far as there is room. (33) holds a ratio, L_avg. It is
linearised: at first a miss costs nothing beside its time, then the best prefix says what a miss
costs, and all prefixes are priced once more.

What kernels pass on thousands of times a second are plain arrays with named rows: a field that is
taken out of a named tuple has its references counted, which costs as much as pricing ten prompts.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from orchestrator.decision import objective
from orchestrator.decision.objective import TINY
from orchestrator.decision.slots import SlotPrices

__all__ = [
    "CACHED",
    "COMPUTED",
    "IDLE",
    "MISSED_S",
    "MISSES",
    "OPTION",
    "SYSTEM_S",
    "Bounds",
    "MissPrice",
    "Offers",
    "Sums",
    "best_candidate",
    "best_prefix",
    "bounds_of",
    "drift_plus_penalty",
    "empty_selection",
    "fill_ranking",
    "lane",
    "miss_average",
    "offers",
    "price_prefixes",
    "select",
    "write_prefix",
]

# what a prompt may get: nothing, its cheapest step to compute, its cheapest step that is cached
IDLE = 0
COMPUTED = 1
CACHED = 2

# rows of a table of offers (5, n): how much a prompt counts, whether keeping nothing is a miss (1
# or 0), then the seconds of IDLE, COMPUTED and CACHED, inf where there is none
WEIGHT = 0
IDLE_MISS = 1
PRICE = 2

# rows of a selection (4, n): IDLE, COMPUTED or CACHED, and what that adds to L, to the misses' sum
# and to their weight, against keeping nothing
OPTION = 0
SYSTEM_S = 1
MISSED_S = 2
MISSES = 3

MARGIN = 1e-15  # by which a candidate has to be better than those before it: K counts ties so

miss_average = njit(cache=True)(objective.miss_average)
drift_plus_penalty = njit(cache=True)(objective.drift_plus_penalty)


class Sums(NamedTuple):
    """A choice's sums over the prompts, each by its weight: L of (17), numerator and divisor of
    (16), and |A|."""

    system_s: float
    missed_s: float
    misses: float
    active: float


class Offers(NamedTuple):
    """The options of n prompts, independent of the price of a miss: `prompt` (n,), its place in R;
    `table` (5, n), rows above; `step` (n, 3), the steps of IDLE, COMPUTED and CACHED."""

    prompt: Any
    table: Any
    step: Any


class Bounds(NamedTuple):
    """The numbers of P2 in one lane: the sums with nothing kept, `share`, V / |A|, Q and Lbar in
    seconds, and how many outputs fit."""

    nothing: Sums
    share: float
    queue_s: float
    target_s: float
    room: int


class MissPrice(NamedTuple):
    """(33) with its ratio linearised: L counts `share` times, and a miss `q` (L - `level_s`)
    more."""

    share: float
    q: float
    level_s: float


@njit(cache=True)
def lane(prices: Any, b: int) -> Any:
    """Lane b of `SlotPrices` with a lane axis."""
    return SlotPrices(
        prices.weight[b],
        prices.cost_s[b],
        prices.hit[b],
        prices.capacity[b],
        prices.queue_s[b],
        prices.weight_v[b],
        prices.target_s[b],
    )


@njit(cache=True)
def offers(prompts: Any, prices: Any) -> Any:
    """The offers of `prompts` (n,).

    A price on misses moves all that is computed alike, so no other step is ever the best: the
    critic looks at three numbers for each prompt instead of at all steps again for each ranking.
    """
    n = prompts.shape[0]
    table = np.full((5, n), np.inf)
    step = np.zeros((n, 3), np.int8)
    cost_s = prices.cost_s
    hit = prices.hit
    for i in range(n):
        r = prompts[i]
        table[WEIGHT, i] = prices.weight[r]
        table[IDLE_MISS, i] = 0.0 if hit[r, 0] else 1.0
        table[PRICE + IDLE, i] = cost_s[r, 0]
        for j in range(2, cost_s.shape[1]):
            option = CACHED if hit[r, j] else COMPUTED
            if cost_s[r, j] < table[PRICE + option, i]:
                table[PRICE + option, i] = cost_s[r, j]
                step[i, option] = j
    return Offers(prompts, table, step)


@njit(cache=True)
def bounds_of(table: Any, prices: Any) -> Any:
    """The numbers of P2 where `table` (5, n) has every requested prompt, in any order."""
    system_s = missed_s = misses = active = 0.0
    for a in range(table.shape[1]):
        w = table[WEIGHT, a]
        active += w
        system_s += w * table[PRICE + IDLE, a]
        if table[IDLE_MISS, a] > 0:
            missed_s += w * table[PRICE + IDLE, a]
            misses += w
    return Bounds(
        Sums(system_s, missed_s, misses, active),
        prices.weight_v / max(prices.weight.sum(), TINY),
        prices.queue_s,
        prices.target_s,
        int(prices.capacity + 1e-9),
    )


@njit(cache=True)
def empty_selection(n: int) -> Any:
    """A selection (4, n) of nothing."""
    return np.zeros((4, n))


@njit(cache=True)
def select(table: Any, price: Any, selection: Any) -> None:
    """Fill `selection` (4, n) with each prompt's best offer of `table` (5, n) at this price of a
    miss, in closed form."""
    share, q, level_s = price
    weight = table[WEIGHT]
    idle_miss = table[IDLE_MISS]
    idle_s = table[PRICE + IDLE]
    computed_s = table[PRICE + COMPUTED]
    cached_s = table[PRICE + CACHED]
    option = selection[OPTION]
    system_s = selection[SYSTEM_S]
    missed_s = selection[MISSED_S]
    misses = selection[MISSES]
    for a in range(weight.shape[0]):  # without branches: eight prompts at once
        w = weight[a]
        was_miss = idle_miss[a]
        least = share * idle_s[a] + was_miss * (q * (idle_s[a] - level_s))
        worth = share * computed_s[a] + q * (computed_s[a] - level_s)
        compute = worth < least  # not where it is inf, or inf times 0
        least = worth if compute else least
        reuse = share * cached_s[a] < least
        cost_s = cached_s[a] if reuse else (computed_s[a] if compute else idle_s[a])
        is_miss = 1.0 if compute and not reuse else 0.0
        was_miss = was_miss if compute or reuse else 0.0
        option[a] = 2.0 if reuse else (1.0 if compute else 0.0)
        system_s[a] = w * (cost_s - idle_s[a])
        missed_s[a] = w * ((cost_s if is_miss > 0 else 0.0) - was_miss * idle_s[a])
        misses[a] = w * (is_miss - was_miss)


@njit(cache=True)
def price_prefixes(ranking: Any, selection: Any, bounds: Any, value: Any) -> int:
    """Fill `value` (n + 1,) with (33) of each prefix of `ranking` (n,), places in `selection`, by
    its length; past the capacity it repeats the last that fits. Returns the length of the best."""
    share = bounds.share
    queue_s = bounds.queue_s
    target_s = bounds.target_s
    room = bounds.room
    system_s, missed_s, misses, _ = bounds.nothing
    average_s = miss_average(missed_s, misses)
    last = drift_plus_penalty(average_s, share * system_s, queue_s, target_s)
    least = last
    length = 0
    value[0] = last
    for i in range(ranking.shape[0]):
        a = ranking[i]
        if selection[OPTION, a] != IDLE:
            if room == 0:
                value[i + 1 :] = last
                break
            room -= 1
            system_s += selection[SYSTEM_S, a]
            missed_s += selection[MISSED_S, a]
            misses += selection[MISSES, a]
            average_s = miss_average(missed_s, misses)
            last = drift_plus_penalty(average_s, share * system_s, queue_s, target_s)
            if last < least:
                least = last
                length = i + 1
        value[i + 1] = last
    return length


@njit(cache=True)
def miss_price(ranking: Any, length: int, selection: Any, bounds: Any) -> Any:
    """The ratio of (33) linearised around a prefix; q is 0 where nothing misses in it."""
    room = bounds.room
    missed_s = bounds.nothing.missed_s
    misses = bounds.nothing.misses
    for i in range(length):
        a = ranking[i]
        if selection[OPTION, a] != IDLE and room > 0:
            room -= 1
            missed_s += selection[MISSED_S, a]
            misses += selection[MISSES, a]
    if misses <= TINY:
        return MissPrice(bounds.share, 0.0, 0.0)
    return MissPrice(bounds.share, bounds.queue_s / misses, missed_s / misses)


@njit(cache=True)
def best_candidate(lengths: Any, value: Any, least: float) -> Any:
    """The first of the prefixes `lengths` (m,) with the least `value` (n + 1,): (that value, its
    place in `lengths`), or (`least`, -1) where none is below that."""
    index = -1
    for i in range(lengths.shape[0]):
        if value[lengths[i]] < least - MARGIN:
            least = value[lengths[i]]
            index = i
    return least, index


@njit(cache=True)
def best_prefix(
    ranking: Any, lengths: Any, table: Any, first: Any, again: Any, bounds: Any, value: Any
) -> Any:
    """The best prefix of `ranking` (n,), places in `table` (5, n): of those of `lengths` (m,), of
    all where that is empty.

    `first` (4, n) is the selection where a miss costs nothing beside its time, the same for every
    ranking; `again` (4, n) and `value` (n + 1,) are overwritten. Returns (its objective (33), its
    place in `lengths`, its length, whether it selects by `again`).
    """
    index = 0
    length = price_prefixes(ranking, first, bounds, value)
    if lengths.shape[0] > 0:
        _, index = best_candidate(lengths, value, np.inf)
        length = lengths[index]
    least = value[length]
    if bounds.queue_s <= 0:
        return least, index, length, False
    price = miss_price(ranking, length, first, bounds)
    if price.q <= 0:
        return least, index, length, False
    select(table, price, again)
    longer = price_prefixes(ranking, again, bounds, value)
    if lengths.shape[0] > 0:
        _, other = best_candidate(lengths, value, least)
        if other < 0:
            return least, index, length, False
        return value[lengths[other]], other, lengths[other], True
    if value[longer] < least:
        return value[longer], index, longer, True
    return least, index, length, False


@njit(cache=True)
def write_prefix(
    ranking: Any, length: int, menu: Any, selection: Any, room: int, choice: Any
) -> None:
    """Write a prefix, as far as there is room, into `choice` (R,): the steps that are kept, 0 for
    the rest."""
    choice[:] = 0
    for i in range(length):
        a = ranking[i]
        option = int(selection[OPTION, a])
        if option != IDLE and room > 0:
            choice[menu.prompt[a]] = menu.step[a, option]
            room -= 1


@njit(cache=True)
def fill_ranking(ranking: Any, shortest: int, prices: Any, choice: Any) -> float:
    """Fill `choice` (R,) with the best prefix of `ranking` (n,), requested prompts, that has
    `shortest` of them or more; returns its objective (33)."""
    outside = prices.weight > 0
    outside[ranking] = False
    menu = offers(np.concatenate((ranking, np.flatnonzero(outside))), prices)
    bounds = bounds_of(menu.table, prices)
    n = menu.prompt.shape[0]
    first = empty_selection(n)
    again = empty_selection(n)
    select(menu.table, MissPrice(bounds.share, 0.0, 0.0), first)
    places = np.arange(ranking.shape[0])
    lengths = np.arange(shortest, ranking.shape[0] + 1) if shortest > 0 else np.arange(0)
    least, _, length, priced = best_prefix(
        places, lengths, menu.table, first, again, bounds, np.empty(n + 1)
    )
    write_prefix(places, length, menu, again if priced else first, bounds.room, choice)
    return least
