"""Base class of the classical eviction rules: all admit every output at once, and differ in the
victim that they choose."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Sequence
from typing import ClassVar

from midstep.wire.messages_control import Access, CachedOutput, CacheUpdate, Eviction
from orchestrator.decision.problem import Problem
from orchestrator.policies.base import Kind, Policy

__all__ = ["NOTHING", "Rule"]

NOTHING = CacheUpdate()


class Rule(Policy, ABC):
    """Keeps its own view of the store: key -> bytes, least recently used first. Subclasses choose
    the victim.

    A rule keeps what was made, at the step at which it was cut. An access that the held output is
    too far for is no use of it; the smaller step that was made then takes its place, a larger one
    never does.
    """

    kind: ClassVar[Kind] = Kind.RULE

    def reset(self, problem: Problem, seed: int) -> None:
        self.capacity = problem.capacity
        self.held: OrderedDict[str, int] = OrderedDict()
        self.steps: dict[str, int] = {}  # key -> denoising steps that a hit saves
        self.used = 0

    def resize(self, capacity: int) -> None:
        self.capacity = capacity

    @abstractmethod
    def victim(self) -> str:
        """The key to evict next. Called only while something is held; the key is dropped at
        once."""

    def coming(self, key: str) -> None:
        """An output is about to be admitted; victims are sought next, then `admitted` is called."""

    def touched(self, key: str) -> None:
        """An output in the store was used, or, unless `admitted` says otherwise, has just been
        admitted."""

    def admitted(self, key: str) -> None:
        """An output has just been admitted; its bytes and steps are in `held` and `steps`."""
        self.touched(key)

    def discovered(self, key: str) -> None:
        """The store turns out to hold an output unknown to this rule: it counts as admitted before
        all others."""
        self.admitted(key)

    def shortened(self, key: str) -> None:
        """Another step, a smaller one as a rule, has taken an output's place; it is in `steps`, the
        bytes are as before."""

    def dropped(self, key: str) -> None:
        """An output is leaving the store; its bytes and steps are still in `held` and `steps`."""

    def on_access(self, access: Access) -> CacheUpdate:
        key = access.prompt_key
        evict: list[Eviction] = []
        if key in self.held:
            if not 0 < access.limit < self.steps[key]:
                self.held.move_to_end(key)
                self.touched(key)
                return NOTHING
            if access.hit or access.step >= self.steps[key]:
                return NOTHING
            old = key, self.steps[key]
            if access.nbytes == self.held[key]:
                self.steps[key] = access.step
                self.shortened(key)
                return CacheUpdate(((key, access.step),), (old,))
            self._drop(key)  # of another size: as if it came anew
            evict.append(old)
        if (access.hit and not access.staged) or access.nbytes > self.capacity:
            # evicted while it was served: there is nothing in staging to admit
            return CacheUpdate((), tuple(evict))
        self.coming(key)
        while self.used + access.nbytes > self.capacity:
            evict.append(self._drop(self.victim()))
        self._hold(key, access.step, access.nbytes)
        self.admitted(key)
        return CacheUpdate(((key, access.step),), tuple(evict))

    def reconcile(self, held: Sequence[CachedOutput]) -> None:
        real = {h.prompt_key: h for h in held}
        for key in self.held:
            if key in real and real[key].step != self.steps[key]:
                self.steps[key] = real[key].step
                self.shortened(key)
        stale = [k for k, nbytes in self.held.items() if k not in real or real[k].nbytes != nbytes]
        for key in stale:
            self._drop(key)
        for key, output in real.items():
            if key not in self.held:
                self._hold(key, output.step, output.nbytes)
                self.held.move_to_end(key, last=False)
                self.discovered(key)

    def _hold(self, key: str, step: int, nbytes: int) -> None:
        self.held[key] = nbytes
        self.steps[key] = step
        self.used += nbytes

    def _drop(self, key: str) -> str:
        self.dropped(key)
        self.used -= self.held.pop(key)
        del self.steps[key]
        return key
