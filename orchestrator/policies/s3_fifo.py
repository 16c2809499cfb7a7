"""S3-FIFO (Yang et al., SOSP 2023): a small queue on probation, a main queue, and a ghost that
remembers keys alone.

Where the paper leaves room, this does as libCacheSim does: promotion at two uses, the counter reset
on promotion, and the main queue filled directly before the first eviction once the small one is
full. Otherwise than there, what is as large as the small queue is admitted: below twenty outputs
nothing would be.
"""

from __future__ import annotations

from collections import OrderedDict

from orchestrator.decision.problem import Problem
from orchestrator.policies.base import policy
from orchestrator.policies.kinds.eviction_rule import Rule

__all__ = ["S3Fifo"]

SMALL = 0.1  # of the capacity
GHOST = 0.9
PROMOTED_AT = 2  # uses while in the small queue
MOST = 3  # uses that the main queue counts


class _Queue(OrderedDict[str, int]):
    """Keys and their bytes, oldest first, with the bytes of all."""

    def __init__(self, capacity: int) -> None:
        super().__init__()
        self.capacity = capacity
        self.used = 0

    def put(self, key: str, nbytes: int) -> None:
        """At the new end."""
        self[key] = nbytes
        self.used += nbytes

    def take(self, key: str) -> int:
        """Out of wherever it is; its bytes."""
        nbytes = self.pop(key)
        self.used -= nbytes
        return nbytes


@policy("s3-fifo")
class S3Fifo(Rule):
    """What was not used twice while in the small queue leaves early; asked for again, it goes
    straight to the main."""

    def reset(self, problem: Problem, seed: int) -> None:
        super().reset(problem, seed)
        self._small = _Queue(0)
        self._main = _Queue(0)
        self._ghost = _Queue(0)
        self.resize(problem.capacity)
        self._uses: dict[str, int] = {}
        self._evicted = self._returns = False

    def resize(self, capacity: int) -> None:
        super().resize(capacity)
        self._small.capacity = int(capacity * SMALL)
        self._main.capacity = capacity - self._small.capacity
        self._ghost.capacity = int(capacity * GHOST)
        while self._ghost.used > self._ghost.capacity:
            self._ghost.take(next(iter(self._ghost)))

    def coming(self, key: str) -> None:
        # asked before room is made: the victims may push it out of the ghost
        self._returns = key in self._ghost
        if self._returns:
            self._ghost.take(key)

    def victim(self) -> str:
        self._evicted = True
        while True:
            if self._main.used > self._main.capacity or not self._small:
                return self._from_main()
            key = self._from_small()
            if key is not None:
                return key

    def touched(self, key: str) -> None:
        self._uses[key] += 1

    def admitted(self, key: str) -> None:
        self._uses[key] = 0
        early = not self._evicted and self._small.used >= self._small.capacity
        (self._main if self._returns or early else self._small).put(key, self.held[key])

    def discovered(self, key: str) -> None:
        self._uses[key] = 0
        if key in self._ghost:
            self._ghost.take(key)
        self._small.put(key, self.held[key])
        self._small.move_to_end(key, last=False)

    def dropped(self, key: str) -> None:
        del self._uses[key]
        (self._small if key in self._small else self._main).take(key)

    def _from_small(self) -> str | None:
        """The oldest of the small queue that nobody used enough; who was used enough moves to the
        main queue."""
        while self._small:
            key = next(iter(self._small))
            if self._uses[key] < PROMOTED_AT:
                self._remember(key, self._small[key])
                return key
            self._main.put(key, self._small.take(key))
            self._uses[key] = 0
        return None

    def _from_main(self) -> str:
        """The oldest of the main queue that was not used since it last went round."""
        while True:
            key = next(iter(self._main))
            uses = self._uses[key]
            if not uses:
                return key
            self._main.move_to_end(key)
            self._uses[key] = min(uses, MOST) - 1

    def _remember(self, key: str, nbytes: int) -> None:
        if nbytes > self._ghost.capacity:
            return
        while self._ghost.used + nbytes > self._ghost.capacity:
            self._ghost.take(next(iter(self._ghost)))
        self._ghost.put(key, nbytes)
