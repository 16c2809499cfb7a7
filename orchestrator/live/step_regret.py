"""Regret of a plan that names steps: the gap of `orchestrator.live.regret`, over the choices of a
prompt and a step in place of held or not.

A slot's requests are priced with its own measured times. A request that was cut at c and finds step
j within its limit is handed over at max(c, j): c - j steps are computed where j < c, at what a step
took at the edge in this slot, queue included; the rest runs on its device at the speed that it
reported. A prompt costs what its slowest request does (15), and misses where any of its requests
had a step computed (12). The best plan keeps at most one step a prompt, out of all prompts that had
been asked for before the slot began, in as many places.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from midstep.wire.messages_control import Access, CacheSnapshot
from orchestrator.decision.problem import Problem, Served
from orchestrator.live.regret import KnownPrompts, RegretMeter, objective, relative_gap

__all__ = ["PricedSteps", "StepRegretMeter", "open_regret", "price_steps", "solve"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ids = NDArray[np.int64]
HALVINGS = 20  # of the interval in which the price of a place is sought


@dataclass(frozen=True, kw_only=True)
class PricedSteps:
    """A slot's requested prompts, by the step j = 0..S that is kept of each: `cost_s` (n, S+1) L_r
    of (15), `hit` (n, S+1) whether none of its requests had a step computed."""

    keys: tuple[str, ...]
    cost_s: Floats
    hit: Bools


class StepRegretMeter:
    """Remembers the current slot's plan, every prompt that was `known` before it, and the edge's
    last known time a step. `planned` and `gap` as RegretMeter has them."""

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._held: dict[str, set[int]] = {}
        self._places = 0
        self._queue_s = 0.0
        self._step_s: float | None = None
        self.known = KnownPrompts()
        self._is_planned = False

    def planned(
        self,
        accesses: Iterable[Access],
        before: CacheSnapshot,
        after: CacheSnapshot,
        queue_s: float,
    ) -> None:
        """Begin the next slot with `after` in the store, after the `accesses` of the slot that
        ends; `before` is what the edge held when it was planned."""
        self._places = self.known.begin(accesses, before, after)
        self._held = {}
        for output in after.store:
            self._held.setdefault(output.prompt_key, set()).add(output.step)
        self._queue_s = queue_s
        self._is_planned = True

    def gap(self, accesses: Sequence[Access], served: Iterable[Served]) -> float | None:
        """The gap of the slot that has ended; None where nothing could have been gained, or nothing
        is known yet."""
        computing = [access for access in accesses if access.edge_steps > 0]
        if computing:
            steps = sum(access.edge_steps for access in computing)
            self._step_s = sum(access.edge_s for access in computing) / steps
        if not self._is_planned or not accesses or self._step_s is None:
            return None
        steps = self._problem.steps
        air_bits = 0.0 if self._problem.times is None else self._problem.times.air_bits
        single = price_steps(accesses, steps, self._step_s, air_bits)
        n = len(single.keys)
        value_cost, value_hit = _of_plan(accesses, self._held, steps, self._step_s, air_bits)
        available = np.array([key in self.known.keys for key in single.keys])
        weight = self._problem.weight_v
        nothing = objective(single.cost_s[:, 0], single.hit[:, 0], self._queue_s, weight)
        best = solve(single, available, self._places, self._queue_s, weight)
        rows = np.arange(n)
        least = objective(single.cost_s[rows, best], single.hit[rows, best], self._queue_s, weight)
        value = objective(value_cost, value_hit, self._queue_s, weight)
        return relative_gap(value, least, nothing)


def open_regret(problem: Problem) -> RegretMeter | StepRegretMeter:
    """The meter of a run: over steps where its plans name them, else over prompts."""
    if problem.times is None:
        return RegretMeter(problem.weight_v)
    return StepRegretMeter(problem)


def price_steps(
    accesses: Sequence[Access], steps: int, edge_step_s: float, air_bits: float = 0.0
) -> PricedSteps:
    """Price a slot's prompts, each with every step kept."""
    keys = tuple(dict.fromkeys(access.prompt_key for access in accesses))
    place = {key: i for i, key in enumerate(keys)}
    cost_s = np.zeros((len(keys), steps + 1))
    hit = np.ones((len(keys), steps + 1), np.bool_)
    held = np.arange(steps + 1)
    for access in accesses:
        r = place[access.prompt_key]
        usable = np.where(held <= (access.limit or steps), held, 0)
        cost, computed = _request(access, usable, steps, edge_step_s, air_bits)
        cost_s[r] = np.maximum(cost_s[r], cost)
        hit[r] &= computed == 0
    return PricedSteps(keys=keys, cost_s=cost_s, hit=hit)


def solve(priced: PricedSteps, available: Bools, places: int, queue_s: float, weight: float) -> Ids:
    """Choose the step to keep of each prompt, 0 for none, so that `objective` is least: (n,), at
    most `places` of them.

    Once the number of misses is fixed, so is the divisor of L_avg, and each prompt has three
    options: nothing kept, its cheapest step with which it misses, its cheapest with which it does
    not. Which prompts get which is then a selection of so many by gain; where places are scarce
    each bears a price, found by halving.
    """
    n = len(priced.keys)
    price_s = priced.cost_s.copy()
    price_s[:, 0] = np.inf
    price_s[~available] = np.inf
    with_miss = np.where(priced.hit, np.inf, price_s)
    without = np.where(priced.hit, price_s, np.inf)
    idle = priced.cost_s[:, 0]
    idle_hit = priced.hit[:, 0]
    step = np.stack([np.zeros(n, np.int64), with_miss.argmin(axis=1), without.argmin(axis=1)])
    cost = np.stack([idle, with_miss.min(axis=1), without.min(axis=1)])
    best = np.zeros(n, np.int64)
    least = objective(idle, idle_hit, queue_s, weight)
    rows = np.arange(n)
    counts = range(n + 1) if queue_s > 0 else [0]
    for misses in counts:
        share = weight / n
        missed = share + (queue_s / misses if misses else 0.0)
        gain = np.stack(
            [
                np.zeros(n),
                missed * (idle - cost[1]),
                np.where(idle_hit, share, missed) * idle - share * cost[2],
            ]
        )
        gain[~np.isfinite(gain)] = -np.inf
        hits = n - misses if queue_s > 0 else None
        for option in _options(gain, places, hits):
            chosen = step[option, rows]
            value = objective(
                priced.cost_s[rows, chosen], priced.hit[rows, chosen], queue_s, weight
            )
            if value < least - 1e-15:
                least = value
                best = chosen
    return best


def _options(gain: Floats, places: int, hits: int | None) -> Iterable[Ids]:
    """Which of three options each prompt gets, (n,), so that the sum of `gain` (3, n) is largest;
    the last two take a place. `hits` prompts get the last, None: as many as pay."""
    low = 0.0
    high = float(np.max(gain, initial=0.0, where=np.isfinite(gain))) + 1.0
    price = 0.0
    for _ in range(HALVINGS):
        net = gain - np.array([[0.0], [price], [price]])
        rest = np.maximum(net[0], net[1])
        option = np.where(net[1] > 0, 1, 0)
        if hits is None:
            option[net[2] > rest] = 2
        else:
            able = np.isfinite(net[2])
            if able.sum() < hits or hits > places:
                return
            with np.errstate(invalid="ignore"):
                order = np.argsort(-np.where(able, net[2] - rest, -np.inf), kind="stable")
            option[order[:hits]] = 2
        places_used = option > 0
        # as many as there are places for, those with the most first; hits that are wanted stay
        worth = np.where(option == 2, np.inf if hits is not None else gain[2], gain[1])
        first = np.argsort(-np.where(places_used, worth, -np.inf), kind="stable")
        trimmed = option.copy()
        trimmed[first[places:]] = 0
        yield trimmed
        if price == 0.0 and places_used.sum() <= places:
            return
        if places_used.sum() > places:
            low = price
        else:
            high = price
        price = 0.5 * (low + high)


def _request(
    access: Access, usable: Ids, steps: int, edge_step_s: float, air_bits: float
) -> tuple[Floats, Ids]:
    """Seconds of one request where it finds each of `usable` (m,), and the steps computed for
    it."""
    computed = np.maximum(0, access.step - usable)
    left = steps - np.maximum(access.step, usable)
    bits = air_bits or 8.0 * access.nbytes
    link_s = bits / access.rate_bps if access.rate_bps > 0 else 0.0
    return link_s + edge_step_s * computed + access.step_s * left, computed


def _of_plan(
    accesses: Sequence[Access],
    held: Mapping[str, set[int]],
    steps: int,
    edge_step_s: float,
    air_bits: float,
) -> tuple[Floats, Bools]:
    """Cost and hit (n,) of a slot's prompts with what the plan holds, one step of each or
    several."""
    cost: dict[str, float] = {}
    hit: dict[str, bool] = {}
    for access in accesses:
        key = access.prompt_key
        limit = access.limit or steps
        usable = max((step for step in held.get(key, ()) if step <= limit), default=0)
        one, computed = _request(access, np.array([usable]), steps, edge_step_s, air_bits)
        cost[key] = max(cost.get(key, 0.0), float(one[0]))
        hit[key] = hit.get(key, True) and not computed[0]
    return np.array(list(cost.values())), np.array(list(hit.values()))
