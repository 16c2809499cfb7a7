"""Belady's MIN: it knows what will be asked for, and lets go whose next use is furthest. A ceiling
for equal sizes."""

from __future__ import annotations

import heapq
from typing import ClassVar

from midstep.wire.messages_control import Access, CacheUpdate
from orchestrator.decision.problem import Problem
from orchestrator.policies.base import policy
from orchestrator.policies.kinds.eviction_rule import NOTHING, Rule

__all__ = ["Clairvoyant", "next_uses"]


@policy("clairvoyant")
class Clairvoyant(Rule):
    """The ceiling of all rules that admit every output, as rules here do; on_access must follow
    `Problem.future`.

    With `bypass`, an output whose next use is further than everything held is not admitted: the
    ceiling of planners too, which may refuse. Raises ValueError where an access is not the one
    foreseen.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"future"})

    def __init__(self, bypass: bool = False) -> None:
        self.bypass = bypass

    def reset(self, problem: Problem, seed: int) -> None:
        super().reset(problem, seed)
        self._future = problem.future or ()
        self._after = next_uses(self._future)
        self._now = -1
        self._uses: list[int] = []  # a heap of -j: access j is the next use of what is held, or was
        self._never: dict[str, None] = {}  # of what is held: not asked for again

    def on_access(self, access: Access) -> CacheUpdate:
        self._now += 1
        key = access.prompt_key
        if self._now >= len(self._future) or self._future[self._now] != key:
            raise ValueError(
                f"clairvoyant: access {self._now} is {key!r}, which is not what Problem.future "
                f"tells"
            )
        full = self.used + access.nbytes > self.capacity
        if (
            self.bypass
            and key not in self.held
            and full
            and self.held
            and self._after[self._now] >= self._furthest()
        ):
            return NOTHING
        return super().on_access(access)

    def victim(self) -> str:
        if self._never:
            return next(reversed(self._never))
        return self._future[self._furthest()]

    def touched(self, key: str) -> None:
        self._foresee(key, self._after[self._now])

    def discovered(self, key: str) -> None:
        try:
            self._foresee(key, self._future.index(key, self._now + 1))
        except ValueError:
            self._foresee(key, len(self._future))

    def dropped(self, key: str) -> None:
        self._never.pop(key, None)

    def _foresee(self, key: str, use: int) -> None:
        if use == len(self._future):
            self._never[key] = None
            return
        heapq.heappush(self._uses, -use)
        if (
            len(self._uses) > 2 * len(self.held) + 100
        ):  # uses that are past sink to the bottom and would stay
            self._uses = [least for least in set(self._uses) if self._pending(-least)]
            heapq.heapify(self._uses)

    def _pending(self, use: int) -> bool:
        return use > self._now and self._future[use] in self.held

    def _furthest(self) -> int:
        """The furthest next use of what is held."""
        if self._never:
            return len(self._future)
        while not self._pending(-self._uses[0]):
            heapq.heappop(self._uses)
        return -self._uses[0]


def next_uses(future: tuple[str, ...]) -> list[int]:
    """For each access the number of the next one with its key; len(future) where there is none."""
    never = len(future)
    after = [never] * never
    later = dict[str, int]()
    for i in range(never - 1, -1, -1):
        after[i] = later.get(future[i], never)
        later[future[i]] = i
    return after
