"""Staging: where a fresh output waits until the policy admits it; bounded, and counted apart from
the store."""

from __future__ import annotations

from collections import OrderedDict

from edge_node.cache.base import Entry, check_entries
from midstep.wire.messages_control import CachedOutput

__all__ = ["Staging"]


class Staging:
    """Entries by prompt_key and step; the oldest are dropped where room is needed. Serves no
    requests."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._entries: OrderedDict[tuple[str, int], Entry] = OrderedDict()
        self.nbytes = 0

    def put(self, entry: Entry) -> bool:
        """Add an entry, replacing an older one of the same prompt and step; False where it alone
        exceeds the capacity."""
        name = entry.frame.prompt_key, entry.frame.step
        self.take(*name)
        if entry.frame.nbytes > self.capacity:
            return False
        self._entries[name] = entry
        self.nbytes += entry.frame.nbytes
        while self.nbytes > self.capacity:
            self.take(*next(iter(self._entries)))
        return True

    def peek(self, prompt_key: str, step: int) -> Entry | None:
        """The waiting entry, which stays in staging."""
        return self._entries.get((prompt_key, step))

    def take(self, prompt_key: str, step: int) -> Entry | None:
        """Remove and return the waiting entry."""
        entry = self._entries.pop((prompt_key, step), None)
        if entry is not None:
            self.nbytes -= entry.frame.nbytes
        return entry

    def clear(self) -> None:
        """Drop everything."""
        self._entries.clear()
        self.nbytes = 0

    def snapshot(self) -> tuple[CachedOutput, ...]:
        """All entries as policies see them, oldest first."""
        return tuple(entry.output for entry in self._entries.values())

    def check(self) -> None:
        """Recount bytes and keys, O(entries). Raises CacheCorrupted."""
        check_entries("staging", self._entries, self.nbytes, self.capacity)

    def entries(self) -> list[Entry]:
        """All entries, oldest first."""
        return list(self._entries.values())

    def __len__(self) -> int:
        return len(self._entries)
