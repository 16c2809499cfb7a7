"""A cache of two tiers: what the policy lets go of memory goes to disk, and is found there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from edge_node.cache.base import Cache, Entry, Held, Hit
from edge_node.cache.disk import DiskTier
from midstep.errors import CacheCorrupted
from midstep.wire.messages_control import CachedOutput

__all__ = ["TieredCache"]


class TieredCache(Cache):
    """Memory, which the policy fills and empties as if it were alone, and behind it a disk.

    What the policy evicts goes to disk, where the least recently used leave for good. An output
    that is asked for and lies on disk is read in a thread, by `fetch`; whoever asked shows it to
    the policy, which alone says whether it comes back into memory. It stays on disk too, so that it
    can leave memory again without being written. Unless `several`, both tiers together hold one
    step of a prompt.
    """

    def __init__(self, memory: Cache, disk: DiskTier) -> None:
        self.memory = memory
        self.disk = disk
        self.capacity = memory.capacity
        self.several = memory.several
        disk.dropped = self._left_disk
        if not self.several:
            self._keep_one()

    def lookup(self, prompt_key: str, limit: int) -> Hit | None:
        return self.memory.lookup(prompt_key, limit)

    async def fetch(self, prompt_key: str, limit: int) -> Hit | None:
        hit = self.memory.lookup(prompt_key, limit)
        above = 0 if hit is None else hit.step
        while step := self.disk.index.furthest(prompt_key, limit, above):
            entry = await self.disk.read((prompt_key, step))
            if entry is not None:
                return Hit(entry=entry, step=step, tier="disk")
        return hit

    def admit(self, entry: Entry) -> bool:
        key = entry.frame.prompt_key
        before = self._in_memory(key, None)
        if not self.memory.admit(entry):
            return False
        if not self.several:
            steps = self.disk.index.steps(key)
            steps.update(old.frame.step for old in before)
            steps.discard(entry.frame.step)
            for step in sorted(steps):
                self.disk.remove((key, step))
                self.dropped(key, step)
        return True

    def evict(self, prompt_key: str, step: int | None = None) -> int:
        count = 0
        for entry in self._in_memory(prompt_key, step):
            # one by one: room for the first may cost the disk a step that memory still has
            count += self.memory.evict(prompt_key, entry.frame.step)
            if not self.disk.put(entry):
                self.dropped(prompt_key, entry.frame.step)
        return count

    def resize(self, capacity: int) -> int:
        count = super().resize(capacity)
        self.memory.capacity = capacity
        return count

    def clear(self) -> int:
        names = sorted(self.names())
        self.memory.clear()
        for name in names:
            self.disk.remove(name)
            self.dropped(*name)
        return len(names)

    def snapshot(self) -> tuple[CachedOutput, ...]:
        return self.memory.snapshot()

    def leave_behind(self) -> Path | None:
        self.disk.file.temporary = False
        return self.disk.file.path

    def vanish(self) -> None:
        self.disk.file.temporary = True

    def names(self) -> set[tuple[str, int]]:
        return self.memory.names().union(self.disk.index.names())

    def held(self) -> Iterator[Held]:
        names = self.memory.names()
        yield from self.memory.held()
        for held in self.disk.held():
            if (held.prompt_key, held.step) not in names:
                yield held

    def check(self) -> None:
        self.memory.check()
        self.disk.check()
        if self.several:
            return
        steps: dict[str, int] = {}
        for key, step in self.names():
            other = steps.setdefault(key, step)
            if other != step:
                raise CacheCorrupted(
                    f"memory and disk hold steps {other} and {step} of {key[:12]}, one is allowed"
                )

    async def close(self) -> None:
        """Write what memory holds to disk, too, and close it."""
        outputs = () if self.disk.file.temporary else self.memory.snapshot()
        for output in outputs:
            hit = self.memory.lookup(output.prompt_key, output.step)
            if hit is None:
                continue
            if self.disk.backlog.refuses(hit.entry.frame.nbytes):
                await self.disk.flush()
            self.disk.put(hit.entry)
        await self.disk.close()

    @property
    def nbytes(self) -> int:
        return self.memory.nbytes

    @property
    def total(self) -> int:
        return len(self.memory) + len(self.disk.index)

    def __len__(self) -> int:
        return len(self.memory)

    def _keep_one(self) -> None:
        """Of a prompt of which the disk has several steps, from another run, keep the one that was
        used last."""
        latest: dict[str, int] = {}
        for key, step in reversed(self.disk.index.names()):
            if latest.setdefault(key, step) != step:
                self.disk.remove((key, step))

    def _in_memory(self, prompt_key: str, step: int | None) -> list[Entry]:
        """The entries of a prompt in memory; `step` None: at every step."""
        entries: list[Entry] = []
        limit = (1 << 31) if step is None else step
        while (hit := self.memory.lookup(prompt_key, limit)) is not None:
            if step is not None and hit.step != step:
                break
            entries.append(hit.entry)
            limit = hit.step - 1
        return entries

    def _left_disk(self, prompt_key: str, step: int) -> None:
        """The disk has lost an output, which memory may hold all the same."""
        hit = self.memory.lookup(prompt_key, step)
        if hit is None or hit.step != step:
            self.dropped(prompt_key, step)
