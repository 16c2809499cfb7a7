"""Order-preserving quantisation (36), (37) of a relaxed decision, lines 5 to 9 of Algorithm 1.
Compiled.

Every candidate is a prefix of the entries in falling order: the first has those above 0.5,
candidate k those above (or, at or below 0.5, down to and with) the entry that is (k - 1)-th nearest
to 0.5. `orchestrator.decision.critic` prices them.
"""

from __future__ import annotations

from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np
from numba import njit

from midstep.draws import EXPLORE
from orchestrator.decision.critic import (
    COMPUTED,
    IDLE,
    MISSED_S,
    MISSES,
    OPTION,
    SYSTEM_S,
    MissPrice,
    best_candidate,
    best_prefix,
    bounds_of,
    empty_selection,
    lane,
    offers,
    price_prefixes,
    select,
    write_prefix,
)
from orchestrator.decision.draws import key, mix
from orchestrator.policies.drc.ranking import argsort_descending

__all__ = [
    "NORMALS",
    "Exploration",
    "candidate_lengths",
    "choose_prompts",
    "choose_prompts_lanes",
    "choose_steps",
    "choose_steps_lanes",
]

# quantiles of the standard normal law: a look-up for 12 bits
NORMALS = np.array([NormalDist().inv_cdf((i + 0.5) / 4096) for i in range(4096)])


class Exploration(NamedTuple):
    """The rankings beside the network's own, in one lane; `seed` (B,) in many.

    The first of `rankings` is the demand's own; each other is the best so far with normal noise of
    `noise` times the standard deviation of the network's logits. `slot` counts decisions.
    """

    rankings: int
    noise: float
    slot: int
    seed: Any


@njit(cache=True)
def candidate_lengths(falling: Any) -> Any:
    """(36), (37): how many entries each candidate keeps, (n + 1,) in the order of k, of `falling`
    (n,), the relaxed entries in falling order."""
    n = falling.shape[0]
    lengths = np.empty(n + 1, np.int64)
    lengths[0] = np.sum(falling > 0.5)
    nearest = np.argsort(np.abs(falling - 0.5), kind="mergesort")
    rising = -falling
    for k in range(n):
        threshold = falling[nearest[k]]
        if threshold <= 0.5:
            lengths[k + 1] = np.searchsorted(rising, -threshold, side="right")
        else:
            lengths[k + 1] = np.searchsorted(rising, -threshold, side="left")
    return lengths


@njit(cache=True)
def choose_prompts(
    relaxed: Any, demand: Any, prices: Any, k: int, exploration: Any, choice: Any
) -> Any:
    """Lines 5 to 9 for one lane: the best of the first `k` candidates of `relaxed` (R,) over the
    requested prompts, and of all prefixes of the rankings that explore.

    `demand` (R,) ranks the first of those. Fills `choice` (R,), returns (its objective (33), the
    index of the network's own best candidate, which sets the next K).
    """
    requested = np.flatnonzero(prices.weight > 0)
    n = requested.shape[0]
    menu = offers(requested, prices)
    table = menu.table
    bounds = bounds_of(table, prices)
    first = empty_selection(n)
    again = empty_selection(n)
    select(table, MissPrice(bounds.share, 0.0, 0.0), first)
    value = np.empty(n + 1)
    ranking = np.empty(n, np.int64)
    scratch = np.empty(2 * n + 1, np.int64)
    own = relaxed[requested]
    argsort_descending(own, ranking, scratch)
    lengths = candidate_lengths(own[ranking])[:k]  # lines 5, 6
    best, index, length, priced = best_prefix(  # lines 7 to 9
        ranking, lengths, table, first, again, bounds, value
    )
    write_prefix(ranking, length, menu, again if priced else first, bounds.room, choice)
    rankings, noise, slot, seed = exploration
    if rankings == 0 or n == 0:
        return best, index
    every = lengths[:0]
    logit = np.empty(n)
    for a in range(n):
        p = min(max(own[a], 1e-6), 1 - 1e-6)
        logit[a] = np.log(p / (1 - p))
    # a network that is sure of itself is shaken as much as one that is not
    spread = noise * logit.std()
    score = np.empty(n)
    for i in range(rankings):
        place = key(seed, EXPLORE, slot, i)
        for a in range(n):
            if i == 0:  # the demand's own ranking: what the network has unlearned cannot hurt
                score[a] = demand[requested[a]]
            else:
                normal = NORMALS[mix(place ^ np.uint64(requested[a])) >> np.uint64(52)]
                score[a] = logit[a] + spread * normal
        argsort_descending(score, ranking, scratch)
        worth, _, length, priced = best_prefix(ranking, every, table, first, again, bounds, value)
        if worth < best:
            best = worth
            write_prefix(ranking, length, menu, again if priced else first, bounds.room, choice)
            logit[:] = score
    return best, index


@njit(cache=True)
def choose_prompts_lanes(
    relaxed: Any, demand: Any, prices: Any, k: Any, exploration: Any, choice: Any
) -> Any:
    """Call `choose_prompts` in every lane: arrays have a lane axis in front. Returns the indices
    (B,)."""
    index = np.zeros(choice.shape[0], np.int64)
    for b in range(choice.shape[0]):
        own = Exploration(
            exploration.rankings, exploration.noise, exploration.slot, exploration.seed[b]
        )
        _, index[b] = choose_prompts(relaxed[b], demand[b], lane(prices, b), k[b], own, choice[b])
    return index


@njit(cache=True)
def choose_steps(relaxed: Any, prices: Any, k: int, steps: int, choice: Any) -> Any:
    """As `choose_prompts` as printed: `relaxed` (R * steps,) has an entry for every prompt and step
    from 2 on, and no best step is filled in.

    Of a prompt's entries the highest counts (11), and prompts past the capacity are left out (10).
    Fills `choice` (R,), returns (its objective (33), the index of its candidate).
    """
    requested = np.flatnonzero(prices.weight > 0)
    bounds = bounds_of(offers(requested, prices).table, prices)
    entries = requested.shape[0] * steps
    own = np.empty(entries)
    for e in range(entries):
        own[e] = relaxed[requested[e // steps] * steps + e % steps]
    ranking = np.argsort(-own, kind="mergesort")
    selection = empty_selection(entries)
    above = np.zeros(choice.shape[0], np.bool_)  # prompts of which a higher entry was met
    for e in ranking:
        r = requested[e // steps]
        if above[r]:
            continue
        above[r] = True
        w = prices.weight[r]
        idle_s = prices.cost_s[r, 0]
        cost_s = prices.cost_s[r, e % steps + 2]
        was_miss = 0.0 if prices.hit[r, 0] else 1.0
        is_miss = 0.0 if prices.hit[r, e % steps + 2] else 1.0
        selection[OPTION, e] = COMPUTED
        selection[SYSTEM_S, e] = w * (cost_s - idle_s)
        selection[MISSED_S, e] = w * ((cost_s if is_miss > 0 else 0.0) - was_miss * idle_s)
        selection[MISSES, e] = w * (is_miss - was_miss)
    value = np.empty(entries + 1)
    price_prefixes(ranking, selection, bounds, value)
    lengths = candidate_lengths(own[ranking])[:k]
    best, index = best_candidate(lengths, value, np.inf)
    choice[:] = 0
    room = bounds.room
    for e in ranking[: lengths[index]]:
        if selection[OPTION, e] != IDLE and room > 0:
            choice[requested[e // steps]] = e % steps + 2
            room -= 1
    return best, index


@njit(cache=True)
def choose_steps_lanes(relaxed: Any, prices: Any, k: Any, steps: Any, choice: Any) -> Any:
    """Call `choose_steps` in every lane: arrays have a lane axis in front. Returns the indices
    (B,)."""
    index = np.zeros(choice.shape[0], np.int64)
    for b in range(choice.shape[0]):
        _, index[b] = choose_steps(relaxed[b], lane(prices, b), k[b], steps[b], choice[b])
    return index
