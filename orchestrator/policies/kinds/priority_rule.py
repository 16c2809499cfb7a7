"""Base class of rules with weights: the lightest output is evicted, of equals the least recently
used."""

from __future__ import annotations

import heapq
from abc import abstractmethod
from collections import Counter

from orchestrator.decision.problem import Problem
from orchestrator.policies.kinds.eviction_rule import Rule

__all__ = ["PriorityRule"]


class PriorityRule(Rule):
    """A rule whose weights are set when an output is used, and never fall while it is held.

    The heap is therefore corrected only when a victim is sought: an entry may be too light, but
    none too heavy. A use costs O(1), an eviction O(log n) amortised.
    """

    def reset(self, problem: Problem, seed: int) -> None:
        super().reset(problem, seed)
        self.count: Counter[str] = Counter()  # uses since it came in
        # of what is held: weight, time of the last use
        self.rank: dict[str, tuple[float, int]] = {}
        self._heap: list[tuple[float, int, str]] = []
        self._clock = 0
        self._oldest = 0

    @abstractmethod
    def weight(self, key: str) -> float:
        """The weight of an output that is used now."""

    def victim(self) -> str:
        while True:
            weight, at, key = self._heap[0]
            now = self.rank.get(key)
            if now == (weight, at):
                return key
            if now is None:
                heapq.heappop(self._heap)  # left without being evicted by us
            else:
                heapq.heapreplace(self._heap, (*now, key))

    def touched(self, key: str) -> None:
        self._clock += 1
        self.count[key] += 1
        self.rank[key] = self.weight(key), self._clock

    def admitted(self, key: str) -> None:
        self.touched(key)
        heapq.heappush(self._heap, (*self.rank[key], key))

    def discovered(self, key: str) -> None:
        self._oldest -= 1
        self.count[key] = 1
        self.rank[key] = self.weight(key), self._oldest
        heapq.heappush(self._heap, (*self.rank[key], key))

    def shortened(self, key: str) -> None:
        # its weight may have fallen: the heap finds it by an entry that is not too heavy
        self.rank[key] = self.weight(key), self.rank[key][1]
        heapq.heappush(self._heap, (*self.rank[key], key))

    def dropped(self, key: str) -> None:
        del self.count[key]
        del self.rank[key]
