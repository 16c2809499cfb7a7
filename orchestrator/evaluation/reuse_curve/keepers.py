"""Which prompts a cache keeps, decided without looking at likeness: by how often they are asked
for, or by how recently."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import OrderedDict, defaultdict
from collections.abc import Collection

__all__ = ["KEEPERS", "Frequent", "Keeper", "Recent"]

HALF_LIFE = 500  # requests after which one counts half


class Keeper(ABC):
    """Ranks prompts. `held` are the prompts that have outputs in the cache, `full`: no room for
    another."""

    @abstractmethod
    def wants(self, core: str, held: Collection[str], full: bool) -> bool:
        """Whether a prompt that is not held is computed from noise, to be kept, although another
        prompt's output could serve."""

    @abstractmethod
    def victim(self, held: Collection[str]) -> str:
        """The prompt that leaves first."""

    @abstractmethod
    def displaces(self, core: str, victim: str) -> bool:
        """Whether a prompt whose output was computed takes the victim's place."""

    @abstractmethod
    def request(self, core: str) -> None:
        """Count a request, after it was decided."""

    @abstractmethod
    def use(self, core: str) -> None:
        """Count that this prompt's output served a request, of whatever prompt."""


class Frequent(Keeper):
    """The prompts that were asked for most often, a request counting half after HALF_LIFE others:
    what a planner by popularity keeps. A prompt that belongs to them and is not held is computed as
    an original, whatever could serve it."""

    def __init__(self) -> None:
        self._counts: defaultdict[str, float] = defaultdict(float)
        self._weight = 1.0  # of the next request: growing weights, so that old counts stay

    def wants(self, core: str, held: Collection[str], full: bool) -> bool:
        count = self._counts.get(core, 0.0)
        return count > 0 and (not full or count > self._counts[self.victim(held)])

    def victim(self, held: Collection[str]) -> str:
        return min(held, key=lambda core: (self._counts[core], core))

    def displaces(self, core: str, victim: str) -> bool:
        return self._counts.get(core, 0.0) > self._counts[victim]

    def request(self, core: str) -> None:
        self._counts[core] += self._weight
        self._weight *= 2 ** (1 / HALF_LIFE)

    def use(self, core: str) -> None:
        pass


class Recent(Keeper):
    """The prompts whose outputs were used last (LRU). Whatever can be served by another is: only
    what nothing serves is computed and kept."""

    def __init__(self) -> None:
        self._order: OrderedDict[str, None] = OrderedDict()

    def wants(self, core: str, held: Collection[str], full: bool) -> bool:
        return False

    def victim(self, held: Collection[str]) -> str:
        return next(core for core in self._order if core in held)

    def displaces(self, core: str, victim: str) -> bool:
        return True

    def request(self, core: str) -> None:
        pass

    def use(self, core: str) -> None:
        self._order[core] = None
        self._order.move_to_end(core)


KEEPERS: dict[str, type[Keeper]] = {"frequent": Frequent, "recent": Recent}
