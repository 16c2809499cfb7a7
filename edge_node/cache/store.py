"""The cache of intermediate outputs: byte-accurate, never over capacity, at most one step per
prompt."""

from __future__ import annotations

from dataclasses import dataclass

from midstep.wire.frame import Frame


@dataclass(frozen=True)
class Entry:
    """A kept frame, the prompt it belongs to (for people; the key decides), and whether the
    tokenizer cut that."""

    prompt: str
    frame: Frame
    truncated: bool = False


class Store:
    """Frames by prompt_key. What enters and leaves is the policy's business; the bounds are the
    store's."""

    def __init__(self, capacity: int) -> None:
        if capacity <= 0:
            raise ValueError(f"a store of {capacity} bytes can hold nothing")
        self.capacity = capacity
        self._entries: dict[str, Entry] = {}
        self._bytes = 0
        self.evictions = 0

    def get(self, prompt_key: str) -> Entry | None:
        """The entry of just that key; keys are never matched by position or by part."""
        return self._entries.get(prompt_key)

    def admit(self, entry: Entry) -> bool:
        """Keep an entry, in place of the same prompt's other step; False, changing nothing, where
        it does not fit."""
        key = entry.frame.prompt_key
        old = self._entries.get(key)
        after = self._bytes + entry.frame.nbytes - (old.frame.nbytes if old else 0)
        if after > self.capacity:
            return False
        self._entries[key] = entry
        self._bytes = after
        return True

    def evict(self, prompt_key: str) -> bool:
        """Let an entry go; False where there is none."""
        entry = self._entries.pop(prompt_key, None)
        if entry is None:
            return False
        self._bytes -= entry.frame.nbytes
        self.evictions += 1
        return True

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self._bytes

    def __len__(self) -> int:
        return len(self._entries)

    def entries(self) -> list[Entry]:
        """All entries, in no meaningful order."""
        return list(self._entries.values())
