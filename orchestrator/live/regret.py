"""Regret of a plan: how far it was from the best plan for the requests that then came (gap_to_exact
in `shared` and `proactive`).

The slot's requested prompts are priced once held and once missed, from what was measured in it; P2
(33) is solved on them, out of every prompt that had been asked for before the slot began:

gap = (objective of the plan - objective of the best) / (objective of keeping nothing - objective of
the best)

0: as good as with knowledge of the slot; 1: no better than no cache; above 1: worse than no cache,
which the term with Q makes possible. Outputs that the policy no longer had when it planned count as
available, so that the measure is the same for all policies that meet the same requests.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from midstep.wire.messages_control import Access, CacheSnapshot
from orchestrator.decision.objective import drift_plus_penalty, miss_average
from orchestrator.decision.problem import Served

__all__ = [
    "KnownPrompts",
    "Planned",
    "PricedPrompts",
    "RegretMeter",
    "Usual",
    "gap",
    "objective",
    "places_of",
    "price",
    "relative_gap",
    "solve",
]

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
    """A slot's plan, made before it began: the prompts that are held, those that could have been,
    how many outputs fit, and Q."""

    held: AbstractSet[str]
    available: AbstractSet[str]
    places: int
    queue_s: float


@dataclass(frozen=True)
class Usual:
    """Means of the last slot that had them, seconds: of a prompt that is held, and of what a miss
    adds."""

    held_s: float | None = None
    added_s: float | None = None


class KnownPrompts:
    """Every prompt that was asked for, or that the edge had, before the slot that goes on: its
    `keys`; and the usual size of an output.

    A learner that replaces another knows earlier requests only by the outputs that the edge holds.
    """

    def __init__(self) -> None:
        self.keys: set[str] = set()
        self._nbytes = 0.0

    def begin(self, accesses: Iterable[Access], before: CacheSnapshot, after: CacheSnapshot) -> int:
        """Begin the next slot; how many outputs fit. Arguments as `RegretMeter.planned` has
        them."""
        outputs = (*before.store, *before.staging)
        self.keys.update(access.prompt_key for access in accesses)
        self.keys.update(output.prompt_key for output in (*outputs, *after.store))
        if outputs:
            self._nbytes = float(np.median([output.nbytes for output in outputs]))
        return places_of(before.capacity, self._nbytes, len(after.store))


class RegretMeter:
    """Remembers the current slot's plan, every prompt that was `known` before it, and the last
    known mean costs, for slots without a hit or a miss."""

    def __init__(self, weight: float) -> None:
        self._weight = weight
        self._plan: Planned | None = None
        self._usual = Usual()
        self.known = KnownPrompts()

    def planned(
        self,
        accesses: Iterable[Access],
        before: CacheSnapshot,
        after: CacheSnapshot,
        queue_s: float,
    ) -> None:
        """Begin the next slot with `after` in the store, after the `accesses` of the slot that
        ends; `before` is what the edge held when it was planned."""
        places = self.known.begin(accesses, before, after)
        held = frozenset(output.prompt_key for output in after.store)
        # no copy is needed: the slot's own requests are added only after its gap is computed
        self._plan = Planned(held, self.known.keys, places, queue_s)

    def gap(self, accesses: Sequence[Access], served: Iterable[Served]) -> float | None:
        """The gap of the slot that has ended; None where nothing could have been gained, or nothing
        is known yet."""
        priced, self._usual = price(accesses, served, self._usual)
        if priced is None or self._plan is None:
            return None
        return gap(priced, self._plan, self._weight)


def places_of(capacity: int, nbytes: float, held: int) -> int:
    """How many outputs fit that count as equally large, `nbytes` each; never fewer than are
    held."""
    return max(int(capacity // nbytes) if nbytes else 0, held)


def price(
    accesses: Sequence[Access], served: Iterable[Served], usual: Usual
) -> tuple[PricedPrompts | None, Usual]:
    """Price a slot's prompts; None where it had none, or no miss was ever met. Also the means to go
    on with.

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
    hit = np.array([key in plan.held for key in priced.keys])
    available = np.array([key in plan.available for key in priced.keys])
    best = solve(held_s, priced.added_s, available, plan.places, queue_s, weight)
    value, least, nothing = (
        objective(held_s + priced.added_s * ~hits, hits, queue_s, weight)
        for hits in (hit, best, np.zeros_like(hit))
    )
    return relative_gap(value, least, nothing)


def relative_gap(value: float, least: float, nothing: float) -> float | None:
    """The gap as above, from the objectives of the plan, of the best, and of keeping nothing."""
    if nothing - least <= 1e-12:
        return None
    return max(0.0, (value - least) / (nothing - least))


def objective(cost_s: Floats, hit: Bools, queue_s: float, weight: float) -> float:
    """(33) with Lbar = 0, since -Q Lbar is the same for all; seconds squared. `cost_s` is L_r of
    (15); shapes (n,), n > 0."""
    missed = ~hit
    average_s = miss_average(float(cost_s[missed].sum()), float(missed.sum()))
    return drift_plus_penalty(average_s, weight * float(cost_s.mean()), queue_s, target_s=0.0)


def solve(
    held_s: Floats, added_s: Floats, available: Bools, places: int, queue_s: float, weight: float
) -> Bools:
    """Choose which prompts to hold so that `objective` is least: exact for outputs of equal size.
    Shapes (n,) -> (n,).

    With one step a prompt, a hit or a miss, there is no need for `decision.exact`, which linearises
    the ratio of (33): once the number of hits is fixed, so is the divisor of L_avg, and the rest is
    a sum, least at the largest benefits. So every number of hits is tried, without numba.
    """
    count = len(held_s)
    best = np.zeros(count, np.bool_)
    least = objective(held_s + added_s, best, queue_s, weight)
    for hits in range(1, min(places, int(available.sum())) + 1):
        benefit = weight * added_s / count + queue_s * (held_s + added_s) / max(1, count - hits)
        hit = np.zeros(count, np.bool_)
        hit[np.argsort(-np.where(available, benefit, -np.inf), kind="stable")[:hits]] = True
        value = objective(held_s + added_s * ~hit, hit, queue_s, weight)
        if value < least:
            best = hit
            least = value
    return best
