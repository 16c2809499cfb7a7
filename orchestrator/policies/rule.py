"""What the classical cache rules share: they admit every output at once, and differ in whom they let go."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Sequence

from midstep.wire import Access, Edit, Held
from orchestrator.policies.base import Policy
from orchestrator.problem import Problem


class Rule(Policy, ABC):
    """Keeps its own view of the store: key -> bytes, least recently used first. Subclasses choose the victim."""

    def reset(self, problem: Problem, seed: int) -> None:
        self.capacity = problem.capacity
        self.held: OrderedDict[str, int] = OrderedDict()
        self.used = 0

    @abstractmethod
    def victim(self) -> str:
        """Who leaves next; only asked while something is held."""

    def touched(self, key: str) -> None:
        """An output in the store was used, or has just been admitted."""

    def dropped(self, key: str) -> None:
        """An output left the store."""

    def on_access(self, access: Access) -> Edit:
        key = access.prompt_key
        if key in self.held:
            self.held.move_to_end(key)
            self.touched(key)
            return Edit()
        if access.hit or access.nbytes > self.capacity:
            return Edit()  # evicted while it was served: there is nothing in staging to admit
        evict: list[str] = []
        while self.used + access.nbytes > self.capacity:
            evict.append(self._drop(self.victim()))
        self.held[key] = access.nbytes
        self.used += access.nbytes
        self.touched(key)
        return Edit(((key, access.step),), tuple(evict))

    def reconcile(self, held: Sequence[Held]) -> None:
        real = {h.prompt_key: h.nbytes for h in held}
        for key in [k for k in self.held if k not in real]:
            self._drop(key)
        for key, nbytes in real.items():
            if key not in self.held:
                self.held[key] = nbytes
                self.held.move_to_end(key, last=False)
                self.used += nbytes
                self.touched(key)

    def _drop(self, key: str) -> str:
        self.used -= self.held.pop(key)
        self.dropped(key)
        return key
