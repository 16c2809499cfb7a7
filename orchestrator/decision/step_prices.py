"""Prices of steps: what each choice of a step costs, in seconds, over a prompt's expected
requesters (SYSTEM_MODEL section 8).

The price of a cut m for one request that finds step k held within its limit:

L = T + [k < m] (w + (m - k) (E + lambda)) + loc(m)

T is the frame's time on the link, E a tick at the batch size that is current, w the wait for a
place in it, lambda what a step to be computed costs everybody else. loc(m) is what is left to the
device and, where its requests meet there, what that delays the same user's others by: with mean
wait W and mean squared work E[r^2], r seconds of work cost W + r + c (W r + r^2 / 2), where
c = 2 W / E[r^2] (Pollaczek and Khinchine's mean wait, differentiated; 0 where users wait for their
pictures). So the last step of a long rest is worth more than the last of a short one.

Keeping step j of a prompt changes k for the requests whose limit reaches j, and for no other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "StepTerms",
    "choice_costs_s",
    "count_neighbours",
    "cut_price_s",
    "free_cut",
    "held_prices_s",
    "making_prices_s",
    "rest_price_s",
    "saved_s",
]

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class StepTerms:
    """The terms of (14) as they are now, seconds, for the mean request: `link_s` T, `wait_s` w,
    `tick_s` E, `step_s` a step on the device, `decode_s` its decoding, `price_s` lambda;
    `device_wait_s` W and `crowding` c, 1/s. `coupled`: what the edge does not keep runs on the
    device alone."""

    link_s: float
    wait_s: float
    tick_s: float
    step_s: float
    decode_s: float = 0.0
    price_s: float = 0.0
    device_wait_s: float = 0.0
    crowding: float = 0.0
    coupled: bool = False


def rest_price_s(terms: StepTerms, steps: ArrayLike) -> Floats:
    """loc: what `steps` that are left to the device cost, and the delay of the user's others."""
    work_s = np.asarray(steps) * terms.step_s + terms.decode_s
    others_s = terms.crowding * work_s * (terms.device_wait_s + work_s / 2)
    return np.asarray(terms.device_wait_s + work_s + others_s)


def cut_price_s(terms: StepTerms, steps: int, cut: ArrayLike, held: ArrayLike) -> Floats:
    """L of a request of S `steps` that is cut at `cut` and finds `held` within its limit, 0: none;
    shapes that broadcast. A held output past the cut is handed over as it is."""
    k = np.asarray(held)
    m = np.maximum(cut, k)
    todo = m - k
    edge_s = np.where(todo > 0, terms.wait_s + todo * (terms.tick_s + terms.price_s), 0.0)
    # nothing comes over the link where the device does every step
    link_s = np.where(m > 0, terms.link_s, 0.0)
    return np.asarray(link_s + edge_s + rest_price_s(terms, steps - m))


def free_cut(terms: StepTerms, steps: int, price_s: float) -> int:
    """The cheapest cut of a request that finds nothing held and has no limit, at this lambda. The
    price is convex in the cut, so with a limit it is the smaller of the two."""
    cuts = np.arange(1, steps + 1)
    priced = replace(terms, price_s=price_s)
    cost_s = cut_price_s(priced, steps, cuts, 0)
    # of equals the furthest
    return steps - int(cost_s[::-1].argmin())


def held_prices_s(terms: StepTerms, steps: int) -> Floats:
    """(S+1, S): L of a request with limit l = 1..S (column l - 1) while step j (row) is held, 0:
    none, each at its cheapest cut within the limit."""
    held = np.arange(steps + 1)[:, None, None]
    limit = np.arange(1, steps + 1)[None, :, None]
    cut = np.arange(0, steps + 1)[None, None, :]
    usable = np.where(held <= limit, held, 0)
    price = cut_price_s(terms, steps, cut, usable)
    allowed = (cut <= limit) & (cut >= np.maximum(1, usable))
    if terms.coupled:  # an edge that computes for nobody but whom it keeps something for
        allowed = cut <= usable
    return np.asarray(np.where(allowed, price, np.inf).min(axis=2))


def saved_s(terms: StepTerms, steps: int) -> Floats:
    """(S+1, S): what keeping step j saves a request with limit l (column l - 1), seconds."""
    price_s = held_prices_s(terms, steps)
    return np.asarray(np.maximum(0.0, price_s[:1] - price_s))


def making_prices_s(terms: StepTerms, held_s: Floats) -> Floats:
    """(S+1, S+1, S): what it costs once to come to step j (second axis) from step k (first): what
    the request with limit l (last axis, l - 1) that makes it, cut at min(j, l), pays more than
    while j is held; 0 where it cannot make it, having a lower limit. `held_s` is
    `held_prices_s`."""
    steps = held_s.shape[1]
    held = np.arange(steps + 1)[:, None, None]
    choice = np.arange(steps + 1)[None, :, None]
    limit = np.arange(1, steps + 1)[None, None, :]
    usable = np.where(held <= limit, held, 0)
    once = cut_price_s(terms, steps, np.minimum(choice, limit), usable) - held_s[None]
    return np.asarray(np.where((choice > 0) & (choice <= limit), once, 0.0))


def choice_costs_s(
    terms: StepTerms,
    limits: NDArray[np.float32] | Floats,
    held: NDArray[np.int64],
    ready: NDArray[np.bool_],
    requests: Floats,
) -> Floats:
    """(n, S+1): what a request of each prompt is expected to cost where step j is kept, 0: nothing.

    `limits` (n, S) is the share of its requests by limit, `held` (n,) the step that is held now,
    `ready` (n, S+1) which steps need not be computed, `requests` (n,) how many are expected as long
    as a plan may last. A step that is not ready is made once, by the first request that can, and
    serves those after it: its cost is shared by all of them.
    """
    held_s = held_prices_s(terms, limits.shape[1])
    # as exact as the counts behind the shares: there may be ten thousand prompts
    cost_s = limits @ held_s.T.astype(limits.dtype)
    making = making_prices_s(terms, held_s).astype(limits.dtype)
    once_s = np.empty_like(cost_s)
    for k in np.flatnonzero(np.bincount(held)).tolist():
        rows = np.flatnonzero(held == k)
        once_s[rows] = limits.take(rows, axis=0) @ making[k].T
    # by how many requests each is shared: those whose limit reaches j, for j = 1..S
    sharing = limits.T.copy()
    for here, further in zip(sharing[-2::-1], sharing[:0:-1], strict=True):
        here += further
    sharing *= requests
    once_s[:, 1:] /= np.maximum(1.0, sharing, out=sharing).T
    once_s[ready] = 0.0
    once_s[:, 0] = 0.0
    cost_s += once_s
    return cost_s.astype(np.float64)


def count_neighbours(
    cost_s: Floats,
    terms: StepTerms,
    limits: NDArray[np.float32] | Floats,
    near: NDArray[np.int64],
    fetch_s: float,
) -> None:
    """Lower `cost_s` (n, S+1), as `choice_costs_s` gives it, of prompts that a neighbour keeps at
    step `near` (n,), 0: none. Where nothing is kept here a request has that step after `fetch_s`
    seconds, if its limit reaches so far and that costs less than to compute."""
    held_s = held_prices_s(terms, limits.shape[1])
    for k in np.unique(near[near > 0]).tolist():
        rows = np.flatnonzero(near == k)
        fetched_s = np.minimum(held_s[0], fetch_s + held_s[k])
        cost_s[rows, 0] = np.minimum(cost_s[rows, 0], limits.take(rows, axis=0) @ fetched_s)
