"""The cache of intermediate outputs: byte-accurate, never over capacity, at most one step per
prompt."""

from __future__ import annotations

from edge_node.cache.base import Cache, Entry, Hit, check_entries
from midstep.wire.messages import CachedOutput

__all__ = ["Store"]


class Store(Cache):
    """A Cache in this process's memory."""

    def __init__(self, capacity: int) -> None:
        if capacity <= 0:
            raise ValueError(f"a store of {capacity} bytes can hold nothing")
        self.capacity = capacity
        self._entries: dict[str, Entry] = {}
        self._bytes = 0

    def lookup(self, prompt_key: str, limit: int) -> Hit | None:
        entry = self._entries.get(prompt_key)
        if entry is None or entry.frame.step > limit:
            return None
        return Hit(entry=entry, step=entry.frame.step, tier="store")

    def admit(self, entry: Entry) -> bool:
        key = entry.frame.prompt_key
        old = self._entries.get(key)
        after = self._bytes + entry.frame.nbytes - (old.frame.nbytes if old else 0)
        if after > self.capacity:
            return False
        self._entries[key] = entry
        self._bytes = after
        return True

    def evict(self, prompt_key: str) -> bool:
        entry = self._entries.pop(prompt_key, None)
        if entry is None:
            return False
        self._bytes -= entry.frame.nbytes
        return True

    def snapshot(self) -> tuple[CachedOutput, ...]:
        return tuple(entry.output for entry in self._entries.values())

    def check(self) -> None:
        check_entries("the store", self._entries, self._bytes, self.capacity)

    @property
    def nbytes(self) -> int:
        return self._bytes

    def __len__(self) -> int:
        return len(self._entries)
