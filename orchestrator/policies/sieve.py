"""SIEVE (Zhang et al., NSDI 2024): a queue that nobody moves in, and a hand that spares who was
used meanwhile."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.decision.problem import Problem
from orchestrator.policies.base import policy
from orchestrator.policies.kinds.eviction_rule import Rule

__all__ = ["Sieve"]


@dataclass(eq=False, slots=True)
class _Place:
    """A place in the queue."""

    key: str
    newer: _Place | None = None
    older: _Place | None = None
    used: bool = False


@policy("sieve")
class Sieve(Rule):
    """The hand walks from the oldest to the newest and round again; it takes the first that was not
    used."""

    def reset(self, problem: Problem, seed: int) -> None:
        super().reset(problem, seed)
        self._places: dict[str, _Place] = {}
        self._newest: _Place | None = None
        self._oldest: _Place | None = None
        self._hand: _Place | None = None  # None: at the oldest

    def victim(self) -> str:
        place = self._hand or self._oldest
        while place is not None and place.used:
            place.used = False
            place = place.newer or self._oldest
        assert place is not None  # only asked while something is held
        self._hand = place  # moves on when the place is given up
        return place.key

    def touched(self, key: str) -> None:
        self._places[key].used = True

    def admitted(self, key: str) -> None:
        place = self._places[key] = _Place(key, older=self._newest)
        if self._newest is not None:
            self._newest.newer = place
        self._newest = place
        self._oldest = self._oldest or place

    def discovered(self, key: str) -> None:
        place = self._places[key] = _Place(key, newer=self._oldest)
        if self._oldest is not None:
            self._oldest.older = place
        self._oldest = place
        self._newest = self._newest or place

    def dropped(self, key: str) -> None:
        place = self._places.pop(key)
        if place is self._hand:
            self._hand = place.newer
        if place.older is not None:
            place.older.newer = place.newer
        else:
            self._oldest = place.newer
        if place.newer is not None:
            place.newer.older = place.older
        else:
            self._newest = place.older
