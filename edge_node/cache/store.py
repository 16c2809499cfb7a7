"""The cache of intermediate outputs: byte-accurate, never over capacity, one step of a prompt or
several."""

from __future__ import annotations

from edge_node.cache.base import Cache, Entry, Hit, check_entries
from midstep.errors import CacheCorrupted
from midstep.wire.messages_control import CachedOutput

__all__ = ["Store"]


class Store(Cache):
    """A Cache in this process's memory."""

    def __init__(self, capacity: int, several: bool = False) -> None:
        if capacity <= 0:
            raise ValueError(f"a store of {capacity} bytes can hold nothing")
        self.capacity = capacity
        self.several = several
        self._entries: dict[tuple[str, int], Entry] = {}
        self._steps: dict[str, list[int]] = {}  # of each prompt that has an entry
        self._bytes = 0

    def lookup(self, prompt_key: str, limit: int) -> Hit | None:
        step = max((step for step in self._steps.get(prompt_key, ()) if step <= limit), default=0)
        if not step:
            return None
        return Hit(entry=self._entries[prompt_key, step], step=step, tier="store")

    def admit(self, entry: Entry) -> bool:
        key = entry.frame.prompt_key
        step = entry.frame.step
        steps = self._steps.get(key, [])
        leaving = [old for old in steps if old == step or not self.several]
        freed = sum(self._entries[key, old].frame.nbytes for old in leaving)
        after = self._bytes + entry.frame.nbytes - freed
        if after > self.capacity:
            return False
        for old in leaving:
            if old != step:
                del self._entries[key, old]
                self.dropped(key, old)
        self._entries[key, step] = entry
        self._steps[key] = [old for old in steps if old not in leaving] + [step]
        self._bytes = after
        return True

    def evict(self, prompt_key: str, step: int | None = None) -> int:
        steps = self._steps.get(prompt_key, [])
        leaving = [old for old in steps if step is None or old == step]
        for old in leaving:
            self._bytes -= self._entries.pop((prompt_key, old)).frame.nbytes
            steps.remove(old)
            self.dropped(prompt_key, old)
        if leaving and not steps:
            del self._steps[prompt_key]
        return len(leaving)

    def snapshot(self) -> tuple[CachedOutput, ...]:
        return tuple(entry.output for entry in self._entries.values())

    def check(self) -> None:
        check_entries("the store", self._entries, self._bytes, self.capacity)
        indexed = {(key, step) for key, steps in self._steps.items() for step in steps}
        if indexed != self._entries.keys():
            raise CacheCorrupted(
                f"the store has {len(self._entries)} entries and an index of {len(indexed)}"
            )

    @property
    def nbytes(self) -> int:
        return self._bytes

    def __len__(self) -> int:
        return len(self._entries)
