"""The cache of a replay: outputs, each one step of one prompt, and an index of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from midstep.reuse.embedding import Vector
from midstep.reuse.likeness import Parts
from orchestrator.evaluation.reuse_curve.keepers import Keeper

__all__ = ["Layout", "Shelf"]


class Layout(NamedTuple):
    """Steps that are kept: `own` of every prompt that is, `common` of one prompt alone, for
    requests that any prompt's output may serve."""

    own: tuple[int, ...]
    common: tuple[int, ...] = ()

    def __str__(self) -> str:
        own = ", ".join(map(str, self.own))
        return f"{own}; one {', '.join(map(str, self.common))}" if self.common else own


class Names(Protocol):
    """What knows which outputs are held: an index of them, or marks."""

    def add(self, key: str, step: int, vector: Vector, parts: Parts) -> None:
        """Put in an output."""

    def remove(self, key: str, step: int) -> bool:
        """Let an output go."""

    def __len__(self) -> int: ...


class Shelf:
    """A cache of `capacity` outputs. A name is (core prompt, step); `about` gives a prompt's vector
    and parts."""

    def __init__(
        self,
        capacity: int,
        layout: Layout,
        keeper: Keeper,
        index: Names,
        about: Callable[[str], tuple[Vector, Parts]],
    ) -> None:
        self.capacity = capacity
        self.layout = layout
        self.furthest = max(*layout.own, *layout.common, 0)  # no step past it is ever held
        self._keeper = keeper
        self._index = index
        self._about = about
        self._held: dict[str, set[int]] = {}
        self._common: set[tuple[str, int]] = set()

    def __len__(self) -> int:
        return len(self._index)

    def exact(self, core: str, limit: int) -> int:
        """The furthest held step of this prompt within the limit; 0: none."""
        own = self._held.get(core, ())
        common = (step for name, step in self._common if name == core)
        return max((step for step in (*own, *common) if step <= limit), default=0)

    def wants(self, core: str) -> bool:
        """Whether this prompt's output is to be computed and kept, whatever could serve."""
        if core in self._held:
            return False
        full = len(self) + len(self.layout.own) > self.capacity
        return self._keeper.wants(core, self._held, full and bool(self._held))

    def keep(self, core: str, limit: int) -> None:
        """Offer the outputs of an original that went up to step `limit`."""
        common = [step for step in self.layout.common if step <= limit]
        if not self._common:  # of the first original, for good: any noise does
            for step in common:
                self._common.add((core, step))
                self._put(core, step)
        held = self._held.get(core, set())
        fresh = [step for step in self.layout.own if step <= limit and step not in held]
        if fresh and self._make_room(core, len(fresh)):
            for step in fresh:
                self._held.setdefault(core, set()).add(step)
                self._put(core, step)

    def request(self, core: str) -> None:
        """Count a request for this prompt."""
        self._keeper.request(core)

    def use(self, core: str) -> None:
        """Count that an output of this prompt served."""
        self._keeper.use(core)

    def _put(self, core: str, step: int) -> None:
        vector, parts = self._about(core)
        self._index.add(core, step, vector, parts)

    def _make_room(self, core: str, count: int) -> bool:
        """Let others go until so many more outputs fit; False where they are worth more."""
        while len(self) + count > self.capacity:
            others = self._held.keys() - {core}
            if not others:
                return False
            victim = self._keeper.victim(others)
            if not self._keeper.displaces(core, victim):
                return False
            for step in self._held.pop(victim):
                if (victim, step) not in self._common:
                    self._index.remove(victim, step)
        return True
