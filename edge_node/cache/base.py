"""The interface of a cache of intermediate outputs: lookup, admission, eviction, checks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from midstep.errors import CacheCorrupted
from midstep.wire.frame import Frame
from midstep.wire.messages_control import CachedOutput

__all__ = ["Cache", "Entry", "Held", "Hit", "Tier", "check_bounds", "check_entries"]

Tier = Literal["store", "disk", "neighbour"]


@dataclass(frozen=True)
class Entry:
    """A cached frame, its prompt (for display; lookups compare keys), and whether the tokenizer
    truncated the prompt. `embedding` is the prompt's, of unit length; None: the output serves no
    other prompt."""

    prompt: str
    frame: Frame
    truncated: bool = False
    embedding: NDArray[np.float32] | None = field(default=None, compare=False, repr=False)

    @property
    def output(self) -> CachedOutput:
        """The entry as policies see it."""
        frame = self.frame
        return CachedOutput(frame.prompt_key, self.prompt, frame.step, frame.nbytes)


@dataclass(frozen=True, kw_only=True)
class Hit:
    """The result of a lookup: the entry, the step at which it can be handed over, and the tier
    that holds it."""

    entry: Entry
    step: int
    tier: Tier


def _nothing(prompt_key: str, step: int) -> None:
    """Nobody wants to know which entries leave."""


class Held(NamedTuple):
    """An entry without its frame; `embedding` None: none, or not at hand."""

    prompt_key: str
    step: int
    prompt: str
    embedding: NDArray[np.float32] | None


class Cache(ABC):
    """Entries by prompt_key and step, at most `capacity` bytes; of a prompt one step, as in (11),
    or `several`. The policy decides what enters and leaves, the cache enforces its capacity.

    `dropped` is called with prompt_key and step of each entry that is in no tier any more: evicted,
    or replaced by another step. The same step anew replaces an entry in silence.

    Where there are slower tiers, what policies see and bound (`lookup`, `snapshot`, `nbytes`,
    `len`, `capacity`) is memory alone.
    """

    capacity: int
    several: bool = False
    dropped: Callable[[str, int], None] = staticmethod(_nothing)

    @abstractmethod
    def lookup(self, prompt_key: str, limit: int) -> Hit | None:
        """The entry of exactly that key with the largest step that is at most `limit`."""

    async def fetch(self, prompt_key: str, limit: int) -> Hit | None:
        """As `lookup`, also in tiers that take time."""
        return self.lookup(prompt_key, limit)

    def leave_behind(self) -> Path | None:
        """Let what it holds outlive `close`, in the folder of its disk, where the next finds it;
        None where it has no disk."""
        return None

    def vanish(self) -> None:
        """Let nothing outlive `close`."""
        return

    def names(self) -> set[tuple[str, int]]:
        """prompt_key and step of all entries of all tiers."""
        return {(output.prompt_key, output.step) for output in self.snapshot()}

    def held(self) -> Iterator[Held]:
        """All entries of all tiers, without their frames, in no meaningful order."""
        for output in self.snapshot():
            yield Held(output.prompt_key, output.step, output.prompt, None)

    @abstractmethod
    def admit(self, entry: Entry) -> bool:
        """Store an entry, replacing one of the same prompt at the same step, or unless `several`
        at another; False, with nothing changed, where it does not fit."""

    @abstractmethod
    def evict(self, prompt_key: str, step: int | None = None) -> int:
        """Remove an entry, None: the prompt's entries at every step; how many there were."""

    def resize(self, capacity: int) -> int:
        """Bound memory anew; entries that it has no room for any more leave, those that were
        admitted first. How many left."""
        count = 0
        for output in self.snapshot():
            if self.nbytes <= capacity:
                break
            count += self.evict(output.prompt_key, output.step)
        self.capacity = capacity
        return count

    def clear(self) -> int:
        """Lose every entry of every tier; how many there were."""
        names = sorted(self.names())
        for name in names:
            self.evict(*name)
        return len(names)

    @abstractmethod
    def snapshot(self) -> tuple[CachedOutput, ...]:
        """All entries as policies see them, in the order of their admission."""

    @abstractmethod
    def check(self) -> None:
        """Recount bytes and keys, O(entries). Raises CacheCorrupted where they do not add up."""

    async def close(self) -> None:
        """Bring to a safe place what is to outlive this process."""
        return

    @property
    @abstractmethod
    def nbytes(self) -> int:
        """Bytes of all entries."""

    @property
    def total(self) -> int:
        """Number of entries of all tiers."""
        return len(self)

    @abstractmethod
    def __len__(self) -> int:
        """Number of entries."""


def check_entries(
    where: str, entries: Mapping[tuple[str, int], Entry], nbytes: int, capacity: int
) -> None:
    """Check that `nbytes` is the sum of the entries' bytes and within capacity, and that each entry
    stands under its frame's own key and step. O(entries). Raises CacheCorrupted."""
    check_bounds(where, nbytes, capacity)
    total = sum(entry.frame.nbytes for entry in entries.values())
    if total != nbytes:
        raise CacheCorrupted(f"{where} counts {nbytes} bytes, its entries have {total}")
    for (key, step), entry in entries.items():
        frame = entry.frame
        if frame.prompt_key != key:
            raise CacheCorrupted(
                f"{where} keeps the frame of {frame.prompt_key[:12]} under {key[:12]}"
            )
        if frame.step != step:
            raise CacheCorrupted(f"{where} keeps step {frame.step} of {key[:12]} under step {step}")


def check_bounds(where: str, nbytes: int, capacity: int) -> None:
    """Check that 0 <= nbytes <= capacity. Raises CacheCorrupted."""
    if not 0 <= nbytes <= capacity:
        raise CacheCorrupted(f"{where} counts {nbytes} bytes, its capacity is {capacity}")
