"""The interface of a cache of intermediate outputs: lookup, admission, eviction, checks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from midstep.errors import CacheCorrupted
from midstep.wire.frame import Frame
from midstep.wire.messages import CachedOutput

__all__ = ["Cache", "Entry", "Hit", "Tier", "check_bounds", "check_entries"]

Tier = Literal["store"]


@dataclass(frozen=True)
class Entry:
    """A cached frame, its prompt (for display; lookups compare keys), and whether the tokenizer
    truncated the prompt."""

    prompt: str
    frame: Frame
    truncated: bool = False

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


class Cache(ABC):
    """Entries by prompt_key and step, at most `capacity` bytes; of a prompt one step, as in (11),
    or `several`. The policy decides what enters and leaves, the cache enforces its capacity."""

    capacity: int
    several: bool = False

    @abstractmethod
    def lookup(self, prompt_key: str, limit: int) -> Hit | None:
        """The entry of exactly that key with the largest step that is at most `limit`."""

    @abstractmethod
    def admit(self, entry: Entry) -> bool:
        """Store an entry, replacing one of the same prompt at the same step, or unless `several`
        at another; False, with nothing changed, where it does not fit."""

    @abstractmethod
    def evict(self, prompt_key: str, step: int | None = None) -> int:
        """Remove an entry, None: the prompt's entries at every step; how many there were."""

    @abstractmethod
    def snapshot(self) -> tuple[CachedOutput, ...]:
        """All entries as policies see them, in no meaningful order."""

    @abstractmethod
    def check(self) -> None:
        """Recount bytes and keys, O(entries). Raises CacheCorrupted where they do not add up."""

    @property
    @abstractmethod
    def nbytes(self) -> int:
        """Bytes of all entries."""

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
