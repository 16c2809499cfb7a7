"""Single exchanges that improve a choice: what the slopes of P2 (33) and OO (52) leave open where
prompts are few. Compiled; one lane."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from orchestrator.decision.critic import Sums, drift_plus_penalty, miss_average
from orchestrator.decision.knapsack import sums_of_choice

__all__ = ["Goal", "exchange"]


class Goal(NamedTuple):
    """The quantity that single exchanges minimise: (33) without Q Lbar where `limit_s` is 0, else L
    under L_avg <= `limit_s`."""

    queue_s: float
    share: float
    limit_s: float


@njit(cache=True)
def exchange(instance: Any, goal: Any, choice: Any) -> None:
    """Improve `choice` by what slopes leave open, an item or two: the best single change or swap,
    again and again."""
    prices = instance.prices
    weight = prices.weight
    cost_s = prices.cost_s
    size = instance.size
    n, steps = cost_s.shape
    for _ in range(n):
        sums = sums_of_choice(prices, choice)
        least = goal_value(sums, goal) - 1e-12
        used = 0.0
        for r in range(n):
            used += size[r] if choice[r] > 0 else 0.0
        prompt = -1
        step = 0
        evicted = -1
        for r in range(n):
            if weight[r] <= 0:
                continue
            for j in range(steps):
                if j == 1 or j == choice[r] or cost_s[r, j] == np.inf:
                    continue
                moved = moved_sums(prices, choice, r, j, sums)
                more = (1 if j > 0 else 0) - (1 if choice[r] > 0 else 0)
                room = prices.capacity + 1e-9 - used - size[r] * more
                if room >= 0:
                    value = goal_value(moved, goal)
                    if value < least:
                        least = value
                        prompt = r
                        step = j
                        evicted = -1
                    continue
                for s in range(n):
                    if s == r or choice[s] == 0 or weight[s] <= 0 or room + size[s] < 0:
                        continue
                    value = goal_value(moved_sums(prices, choice, s, 0, moved), goal)
                    if value < least:
                        least = value
                        prompt = r
                        step = j
                        evicted = s
        if prompt < 0:
            return
        choice[prompt] = step
        if evicted >= 0:
            choice[evicted] = 0


@njit(cache=True)
def goal_value(sums: Any, goal: Any) -> float:
    average_s = miss_average(sums.missed_s, sums.misses)
    if goal.limit_s > 0:
        return sums.system_s if average_s <= goal.limit_s * (1 + 1e-12) else np.inf
    return drift_plus_penalty(average_s, goal.share * sums.system_s, goal.queue_s, 0.0)


@njit(cache=True)
def moved_sums(prices: Any, choice: Any, r: int, j: int, sums: Any) -> Any:
    """The sums after prompt r changes to choice j."""
    before = choice[r]
    w = prices.weight[r]
    cost_s = prices.cost_s[r]
    missed_s = sums.missed_s
    misses = sums.misses
    if not prices.hit[r, before]:
        missed_s -= w * cost_s[before]
        misses -= w
    if not prices.hit[r, j]:
        missed_s += w * cost_s[j]
        misses += w
    system_s = sums.system_s + w * (cost_s[j] - cost_s[before])
    return Sums(system_s, missed_s, misses, sums.active)
