"""How far a plan was from the best one, once its slot is known: gap_to_exact in `shared` and
`proactive`.

The slot's requested prompts are priced once held and once missed, from what was measured in it; P2
(33) is solved on them with what could have been in the store when the slot began: what was there
one slot before, and what passed since:

gap = (objective of the plan - objective of the best) / (objective of keeping nothing - objective of
the best)

0 is as good as foresight, 1 no better than no cache; above 1 the plan was worse than none, as Q's
term can have it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from midstep.wire.messages import Access, CacheSnapshot
from orchestrator.decision.objective import drift_plus_penalty
from orchestrator.decision.problem import Served

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class PricedPrompts:
    """A slot's requested prompts, shapes (n,): L_r (15) where the store holds the output, and what
    a miss adds."""

    keys: tuple[str, ...]
    held_s: Floats
    added_s: Floats


@dataclass(frozen=True)
class Planned:
    """What was decided for a slot before it began: what is kept, out of what, with how many places,
    at which Q."""

    kept: frozenset[str]
    available: frozenset[str]
    places: int
    queue_s: float


class RegretMeter:
    """Remembers the plan of the slot that goes on, and the last known means for what a slot does
    not tell."""

    def __init__(self, weight: float) -> None:
        self._weight = weight
        self._plan: Planned | None = None
        self._usual = Usual()

    def planned(
        self,
        accesses: Iterable[Access],
        before: CacheSnapshot,
        after: CacheSnapshot,
        queue_s: float,
    ) -> None:
        """The next slot begins with `after` in the store. It was chosen out of what `before` names,
        what was held when the slot that ends began, and what passed through staging in it: rules
        choose between slots, too."""
        passed = {access.prompt_key for access in accesses} | (
            self._plan.kept if self._plan else set()
        )
        self._plan = plan_of(before, after, queue_s, passed)

    def gap(self, accesses: Sequence[Access], served: Iterable[Served]) -> float | None:
        """The gap of the slot that has ended; None where nothing could have been gained, or nothing
        is known yet."""
        priced, self._usual = price(accesses, served, self._usual)
        if priced is None or self._plan is None:
            return None
        return gap(priced, self._plan, self._weight)


@dataclass(frozen=True)
class Usual:
    """Means of the last slot that told them, seconds: of a prompt that is held, and of what a miss
    adds."""

    held_s: float | None = None
    added_s: float | None = None


def plan_of(
    before: CacheSnapshot, after: CacheSnapshot, queue_s: float, passed: Iterable[str] = ()
) -> Planned:
    """A plan from the edge's contents before and after it. Outputs count as equally large (their
    median)."""
    there = {held.prompt_key: held.nbytes for held in (*before.store, *before.staging)}
    kept = frozenset(held.prompt_key for held in after.store)
    places = int(before.capacity // np.median(list(there.values()))) if there else 0
    return Planned(kept, kept | there.keys() | set(passed), max(places, len(kept)), queue_s)


def price(
    accesses: Sequence[Access], served: Iterable[Served], usual: Usual
) -> tuple[PricedPrompts | None, Usual]:
    """Price a slot's prompts; None where it had none, or no miss was ever seen. Also the means to
    go on with.

    A miss adds what it waited for the edge, queue included: the slowest of the prompt's misses, as
    (15) has it; a prompt without a miss in this slot is priced with the mean of the others. The
    rest of its response time is taken from the requests that ended in this slot, in the same way.
    """
    added: dict[str, float] = {}
    for access in accesses:
        if not access.hit:
            added[access.prompt_key] = max(added.get(access.prompt_key, 0.0), access.edge_s)
    miss = sum(added.values()) / len(added) if added else usual.added_s
    held: dict[str, float] = {}
    for one in served:
        rest = one.latency_s - (0.0 if one.hit else added.get(one.prompt_key, miss or 0.0))
        held[one.prompt_key] = max(held.get(one.prompt_key, 0.0), rest)
    hit = sum(held.values()) / len(held) if held else usual.held_s
    keys = tuple(dict.fromkeys(access.prompt_key for access in accesses))
    if not keys or miss is None:
        return None, Usual(hit, miss)
    rests = np.array([held.get(key, hit if hit is not None else np.nan) for key in keys])
    return PricedPrompts(keys, rests, np.array([added.get(key, miss) for key in keys])), Usual(
        hit, miss
    )


def gap(priced: PricedPrompts, plan: Planned, weight: float) -> float | None:
    """The gap as above, never below 0; None where the best is no better than keeping nothing."""
    known = not np.isnan(priced.held_s).any()
    # L_avg of (16) needs whole response times, the V term only differences
    queue_s = plan.queue_s if known else 0.0
    held_s = np.nan_to_num(priced.held_s)
    kept = np.array([key in plan.kept for key in priced.keys])
    may = np.array([key in plan.available for key in priced.keys])
    best = solve(held_s, priced.added_s, may, plan.places, queue_s, weight)
    ours, least, nothing = (
        objective(held_s, priced.added_s, hit, queue_s, weight)
        for hit in (kept, best, np.zeros_like(kept))
    )
    if nothing - least <= 1e-12:
        return None
    return max(0.0, (ours - least) / (nothing - least))


def objective(held_s: Floats, added_s: Floats, hit: Bools, queue_s: float, weight: float) -> float:
    """(33) with Lbar = 0, since -Q Lbar is the same for all; seconds squared. Shapes (n,), n >
    0."""
    missed = ~hit
    average_s = float((held_s + added_s)[missed].mean()) if missed.any() else 0.0
    penalty = weight * float((held_s + added_s * missed).mean())
    return drift_plus_penalty(average_s, penalty, queue_s, target_s=0.0)


def solve(
    held_s: Floats, added_s: Floats, may: Bools, places: int, queue_s: float, weight: float
) -> Bools:
    """Choose which prompts to hold so that `objective` is least: exact for outputs of equal size.
    Shapes (n,) -> (n,).

    With one step a prompt, a hit or a miss, there is no need for `decision.exact`, which linearises
    the ratio of (33): once the number of hits is fixed, so is the divisor of L_avg, and the rest is
    a sum, least at the largest benefits. So every number of hits is tried, without numba.
    """
    count = len(held_s)
    best = np.zeros(count, np.bool_)
    least = objective(held_s, added_s, np.zeros(count, np.bool_), queue_s, weight)
    for hits in range(1, min(places, int(may.sum())) + 1):
        benefit = weight * added_s / count + queue_s * (held_s + added_s) / max(1, count - hits)
        hit = np.zeros(count, np.bool_)
        hit[np.argsort(-np.where(may, benefit, -np.inf), kind="stable")[:hits]] = True
        value = objective(held_s, added_s, hit, queue_s, weight)
        if value < least:
            best = hit
            least = value
    return best
