"""Messages between edges, as plain values: what a neighbour's store holds, and what it lends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from midstep.wire.frame import Frame

__all__ = [
    "Digest",
    "LentOutput",
    "NeighbourPort",
]


@dataclass(frozen=True, kw_only=True)
class Digest:
    """The names of a store's outputs, prompt_key and step; None: as in the state that the caller
    knows. `state` is the same as long as they are, and never 0."""

    state: int
    held: tuple[tuple[str, int], ...] | None

    @property
    def nbytes(self) -> int:
        """Bytes of it on a backhaul: keys in hexadecimal, a few for steps and lengths."""
        return 16 + sum(len(key) + 8 for key, _ in self.held or ())


@dataclass(frozen=True, kw_only=True)
class LentOutput:
    """An output of a neighbour's store, as it is."""

    frame: Frame
    truncated: bool


class NeighbourPort(Protocol):
    """An edge server as its neighbours reach it. Calls raise EdgeUnreachable, PartDied,
    CacheCorrupted."""

    async def digest(self, known: int) -> Digest:
        """What the store holds; `known` is the state of the caller's last digest, 0: none."""

    async def lend(self, prompt_key: str, step: int) -> LentOutput | None:
        """The output of just that step; None where the store has it no more."""
