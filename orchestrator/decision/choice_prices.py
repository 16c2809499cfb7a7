"""Prices of a slot's choices (14), (15): what each step of each prompt costs its slowest requester,
whether a held output serves, and the serve guard. One function for the simulator's lanes and for a
live slot, which is one lane. Importing this compiles.

Shapes: B lanes, R items, J = S* + 1 choices, U users of k requests each.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from midstep.draws import TOLERANCE
from orchestrator.decision import draws

__all__ = [
    "Costs",
    "Cuts",
    "EdgeTerms",
    "Limited",
    "draw_tolerance",
    "price",
    "price_choices",
    "price_limited",
    "served_step",
    "step_after",
]


class Cuts(NamedTuple):
    """Where B lanes may be cut: S, and (B,) each S*, whether the edge is shared, m0."""

    steps: int
    reusable: Any
    shared: Any
    split: Any


class EdgeTerms(NamedTuple):
    """The edge's part of the prices: `count` (B, R) requests of each item; (B,) each `shared`,
    `split` (m0), `edge_step_s`, and `wait_s`, the wait in the edge's queue."""

    count: Any
    shared: Any
    split: Any
    edge_step_s: Any
    wait_s: Any


class Costs(NamedTuple):
    """Cost of each choice of a prompt: `cost_s`, `hit` (B, R, J); `weight` (B, R)."""

    cost_s: Any
    hit: Any
    weight: Any


class Limited(NamedTuple):
    """One lane's requests with their reuse limits: `requests` (U, k) items, -1 for none, and
    `limit` (U, k) steps; `transfer_s`, `step_s` (U,); `steps`, S; `edge_step_s`."""

    requests: Any
    limit: Any
    transfer_s: Any
    step_s: Any
    steps: int
    edge_step_s: float


@njit(cache=True)
def price_choices(
    cuts: Any, requests: Any, count: Any, transfer_s: Any, step_s: Any, base_s: Any
) -> None:
    """Fill `base_s` (B, R, J): the slowest requester's T + loc of (14), (15), inf for choices that
    a lane forbids. j = 0 is all local, or split at m0 where the edge is shared."""
    lanes, users, per_user = requests.shape
    for b in range(lanes):
        last = cuts.reusable[b]
        for r in range(count.shape[1]):
            for j in range(base_s.shape[2]):
                base_s[b, r, j] = np.inf if j == 1 or j > last else 0.0
        for u in range(users):
            local = cuts.steps * step_s[b, u]
            if cuts.shared[b]:
                local = transfer_s[b, u] + (cuts.steps - cuts.split[b]) * step_s[b, u]
            for i in range(per_user):
                r = requests[b, u, i]
                if r < 0:
                    continue
                base_s[b, r, 0] = max(base_s[b, r, 0], local)
                for j in range(2, last + 1):
                    split = transfer_s[b, u] + (cuts.steps - j) * step_s[b, u]
                    base_s[b, r, j] = max(base_s[b, r, j], split)


@njit(cache=True)
def draw_tolerance(seeds: Any, slot: int, tolerant: Any, count: Any, tolerated: Any) -> None:
    """Fill `tolerated` (B, R, J) for what is asked for, in lanes that are `tolerant` (B,): a cached
    step j serves with rho(j) = 1 - 0.05 max(0, j - 5), one draw for each item and slot."""
    for b in range(count.shape[0]):
        if not tolerant[b]:
            continue
        for r in range(count.shape[1]):
            if count[b, r] > 0:
                draw = draws.uniform(seeds[b], TOLERANCE, slot, r, 0)
                for j in range(tolerated.shape[2]):
                    tolerated[b, r, j] = draw < 1.0 - 0.05 * max(0, j - 5)


@njit(cache=True)
def price(base_s: Any, tolerated: Any, terms: Any, cached: Any, costs: Any) -> None:
    """Fill `costs` by (14) from `base_s` and `tolerated` (B, R, J) and what is `cached` (B, R);
    `terms` has the fields of `EdgeTerms`. Rows that nobody asks for keep what they had, and weigh
    nothing."""
    cost_s, hit, weight = costs
    count = terms.count
    edge_step_s = terms.edge_step_s
    wait_s = terms.wait_s
    shared = terms.shared
    split = terms.split
    lanes, items, choices = base_s.shape
    for b in range(lanes):
        for r in range(items):
            weight[b, r] = 1.0 if count[b, r] > 0 else 0.0
            if count[b, r] == 0:
                continue
            for j in range(choices):
                hit[b, r, j] = j > 0 and cached[b, r] == j and tolerated[b, r, j]
                cost_s[b, r, j] = base_s[b, r, j]
                if j == 0:
                    cost_s[b, r, j] += wait_s[b] + split[b] * edge_step_s[b] if shared[b] else 0.0
                elif not hit[b, r, j]:
                    cost_s[b, r, j] += wait_s[b] + j * edge_step_s[b]


@njit(cache=True)
def price_limited(limited: Any, cost_s: Any, hit: Any) -> None:
    """Price anew the prompts, in one lane's `cost_s` and `hit` (R, J) of `price`, with a requester
    whose limit is below a choice j: it leaves at its limit, and what is held at j is no use to it,
    so that the prompt is no hit (12)."""
    requests, limit, transfer_s, step_s, steps, edge_step_s = limited
    items, choices = cost_s.shape
    least = np.full(items, choices)
    for u in range(requests.shape[0]):
        for i in range(requests.shape[1]):
            if requests[u, i] >= 0:
                least[requests[u, i]] = min(least[requests[u, i]], limit[u, i])
    held = hit.copy()
    for r in range(items):
        for j in range(2, choices):
            if least[r] < j and cost_s[r, j] < np.inf:
                cost_s[r, j] = 0.0
                hit[r, j] = False
    for u in range(requests.shape[0]):
        for i in range(requests.shape[1]):
            r = requests[u, i]
            if r < 0:
                continue
            for j in range(least[r] + 1, choices):
                if j < 2:
                    continue
                cut = min(j, limit[u, i])
                total_s = transfer_s[u] + (steps - cut) * step_s[u]
                if not (held[r, j] and cut == j):
                    total_s += cut * edge_step_s
                cost_s[r, j] = max(cost_s[r, j], total_s)


@njit(cache=True)
def served_step(cost_s: Any, choice: int, guarded: bool) -> int:
    """The step that serves a prompt with costs `cost_s` (J,): the choice, or under the serve guard
    0 where the split would be slower; what is cached stays."""
    if guarded and choice > 0 and cost_s[choice] > cost_s[0]:
        return 0
    return choice


@njit(cache=True)
def step_after(choice: int, served: int, held: int) -> int:
    """The step held after the slot of a prompt that was asked for: the choice where it was served;
    where the serve guard let devices make it, nobody computed it, and what was `held` stays."""
    return choice if served == choice else held
