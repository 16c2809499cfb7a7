"""Cost of each choice of a slot to its requesters, and whether a cached step may serve them.
Importing this compiles."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from midstep.draws import TOLERANCE
from orchestrator.decision import draws

__all__ = ["Cuts", "draw_tolerance", "price_choices"]


class Cuts(NamedTuple):
    """Where B lanes may be cut: S, and (B,) each S*, whether the edge is shared, m0."""

    steps: int
    reusable: Any
    shared: Any
    split: Any


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
