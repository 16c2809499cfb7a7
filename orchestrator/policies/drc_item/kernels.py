"""Features computed an item at a time, compiled. Import it where it is used: importing compiles."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numba
import numpy as np

__all__ = ["Decays", "ItemCounts", "judge", "look", "observe", "products"]

FORGET = 0.995  # of a forecast's log likelihood, per slot
FLOOR = 3e-4  # requests a slot that every forecast allows for: nothing is impossible
# requests of a part before the first: the shape of the Gamma that knows nothing (Jeffreys)
PRIOR = 0.5


class ItemCounts(NamedTuple):
    """What is counted of items: `count` and `like` (items, K) as of an item's `last` request (slot,
    -1 for none); the others (items,), as `features.ItemTable` has them."""

    count: Any
    like: Any
    last: Any
    gap: Any
    first: Any
    distinct: Any
    latest: Any


class Decays(NamedTuple):
    """How counts fade: `keep` and its running sum `faded_sum` (K, slots of silence); `norm` (K,),
    over how many slots a decayed count is."""

    keep: Any
    faded_sum: Any
    norm: Any


@numba.njit(cache=True, fastmath=True)
def observe(ids: Any, counts: Any, slot: Any, items: Any, fades: Any) -> None:
    """Count a slot's requests: distinct items `ids` (n,), asked for `counts` (n,) times, into
    `items`, an ItemCounts; `fades` are Decays."""
    count, like, last, gap, first, distinct, latest = items
    keep, faded_sum, norm = fades
    decays = count.shape[1]
    most_silent = keep.shape[1] - 1
    for j in range(len(ids)):
        i = ids[j]
        c = counts[j]
        if last[i] < 0:
            first[i] = slot
            for k in range(decays):
                count[i, k] = c
                like[i, k] = 0.0
        else:
            silent = min(slot - last[i], most_silent)
            forget = np.exp(np.log(FORGET) * silent)
            for k in range(decays):
                forecast = count[i, k] * keep[k, silent] / norm[k] + FLOOR
                missed = count[i, k] * faded_sum[k, max(silent - 1, 0)] / norm[k]
                like[i, k] = like[i, k] * forget - missed + c * np.log(forecast) - forecast
                count[i, k] = count[i, k] * keep[k, silent] + c
            gap[i] = slot - last[i]
        last[i] = slot
        distinct[i] += 1
        latest[i] = c


@numba.njit(cache=True, fastmath=True)
def look(ids: Any, slot: Any, items: Any, fades: Any, rate: Any, weight: Any, times: Any) -> None:
    """Fill, for each of `ids` (n,): `rate` (n, K), log likelihood `weight` (n, K) less its largest,
    and `times` (n, 5), one added to each.

    Their logarithms are left to numpy, which takes several at once."""
    count, like, last, gap, first, distinct, latest = items
    keep, faded_sum, norm = fades
    decays = count.shape[1]
    most_silent = keep.shape[1] - 1
    log_forget = np.float32(np.log(FORGET))
    for j in range(len(ids)):
        i = ids[j]
        silent = min(slot - last[i], most_silent)
        forget = np.exp(log_forget * np.float32(silent))
        most = np.float32(-1e30)
        for k in range(decays):
            then = count[i, k] / norm[k]
            weight[j, k] = like[i, k] * forget - then * faded_sum[k, silent]
            most = max(most, weight[j, k])
            rate[j, k] = then * keep[k, silent]
        for k in range(decays):
            weight[j, k] -= most
        times[j, 0] = silent + 1
        times[j, 1] = gap[i] + 1
        times[j, 2] = slot - first[i] + 1
        times[j, 3] = distinct[i] + 1
        times[j, 4] = latest[i] + 1


@numba.njit(cache=True, fastmath=True)
def products(
    ids: Any,
    members: Any,
    log_share: Any,
    out: Any,
) -> Any:
    """out (n, K): sums of the log shares (parts, K) of each item's parts; members (items, most), -1
    where none."""
    for j in range(len(ids)):
        for k in range(log_share.shape[1]):
            out[j, k] = 0.0
        for m in range(members.shape[1]):
            part = members[ids[j], m]
            if part >= 0:
                for k in range(log_share.shape[1]):
                    out[j, k] += log_share[part, k]


@numba.njit(cache=True)
def judge(
    requests_of: Any,
    requests: Any,
    count: Any,
    total: Any,
    change: Any,
    belief: Any,
) -> Any:
    """Weigh each decay by how well it forecast a slot's requests of each part, `requests_of`
    (parts,): belief (parts, K), in place.

    A decay believes in a Gamma of count (parts, K) + PRIOR requests among total (K,); what it
    forecasts is therefore negative binomial.
    """
    decays = count.shape[1]
    log_like = np.empty(decays)
    log_none = np.empty(decays)
    log_one = np.empty(decays)
    for k in range(decays):
        slots = total[k] / requests
        log_none[k] = math.log1p(1 / slots)
        log_one[k] = math.log1p(slots)
    for i in range(len(requests_of)):
        c = requests_of[i]
        most = -1e300
        for k in range(decays):
            shape = count[i, k] + PRIOR
            chance = math.lgamma(shape + c) - math.lgamma(shape) if c else 0.0
            chance -= shape * log_none[k] + c * log_one[k]
            log_like[k] = chance + math.log(belief[i, k])
            most = max(most, log_like[k])
        whole = 0.0
        for k in range(decays):
            belief[i, k] = math.exp(log_like[k] - most)
            whole += belief[i, k]
        for k in range(decays):
            belief[i, k] = (1 - change) * belief[i, k] / whole + change / decays
