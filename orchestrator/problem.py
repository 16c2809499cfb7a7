"""What a slot cost and how far the system is behind: the costs (15) to (17), the queue (23), the objective (33)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

WEIGHT_V = 1.8  # V of (33), seconds: 1800 in milliseconds
CALIBRATION_SLOTS = 10  # slots with misses whose mean becomes Lbar where the scenario gives none


@dataclass(frozen=True)
class Problem:
    """What a policy is up against: `capacity` bytes for outputs that are cached at `split_step` of `steps`."""

    capacity: int
    steps: int
    split_step: int


@dataclass(frozen=True)
class Served:
    """One request that ended in the slot: its prompt, whether the store served it, its response time in seconds."""

    prompt_key: str
    hit: bool
    latency_s: float


@dataclass(frozen=True)
class SlotCost:
    """`latency_avg_s`: L_avg of (16), 0 without a miss; `system_cost_s`: L of (17); `prompts`: |A|."""

    requests: int
    hits: int
    misses: int
    prompts: int
    latency_avg_s: float
    system_cost_s: float


def slot_cost(served: Iterable[Served]) -> SlotCost:
    """L_r is the slowest of a prompt's requesters (15); a prompt misses where any of its requests did (12)."""
    worst: dict[str, float] = {}
    missed: set[str] = set()
    requests = hits = 0
    for request in served:
        requests += 1
        hits += request.hit
        worst[request.prompt_key] = max(worst.get(request.prompt_key, 0.0), request.latency_s)
        if not request.hit:
            missed.add(request.prompt_key)
    average = sum(worst[key] for key in missed) / len(missed) if missed else 0.0
    return SlotCost(requests, hits, requests - hits, len(worst), average, sum(worst.values()))


class Backlog:
    """The Lyapunov queue Q of (23), seconds. Without a target, Lbar is the mean L_avg of the first slots with misses,
    and Q stays 0 until it is known."""

    def __init__(self, target_s: float | None = None) -> None:
        self.target_s = target_s
        self.queue_s = 0.0
        self._seen: list[float] = []

    def update(self, cost: SlotCost) -> float:
        """Q(t+1) = max(Q(t) + L_avg(t) - Lbar, 0); a slot that served nothing changes nothing."""
        if not cost.requests:
            return self.queue_s
        if self.target_s is None:
            if cost.misses:
                self._seen.append(cost.latency_avg_s)
            if len(self._seen) >= CALIBRATION_SLOTS:
                self.target_s = sum(self._seen) / len(self._seen)
            return self.queue_s
        self.queue_s = max(self.queue_s + cost.latency_avg_s - self.target_s, 0.0)
        return self.queue_s

    def drift_plus_penalty(self, cost: SlotCost) -> float:
        """The objective of (33): Q (L_avg - Lbar) + V L / |A|, seconds squared."""
        target = cost.latency_avg_s if self.target_s is None else self.target_s
        return self.queue_s * (cost.latency_avg_s - target) + WEIGHT_V * cost.system_cost_s / max(1, cost.prompts)
