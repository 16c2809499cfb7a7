"""The disk tier of an edge's cache: outputs that left memory, found again, also after a restart."""

from __future__ import annotations

import asyncio
import functools
from collections import OrderedDict
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Protocol

from edge_node.cache.base import Entry, Held, check_bounds
from edge_node.cache.disk_file import DiskFile, DiskFull, Record, Written
from edge_node.cache.disk_head import Name
from midstep.errors import CacheCorrupted, FrameError

__all__ = ["DiskEvents", "DiskTier", "Threads"]

BATCH_BYTES = 4 << 20  # of payloads that one transaction writes
BACKLOG_BYTES = 32 << 20  # of payloads that wait in memory to be written
BATCH_USES = 4096  # uses of outputs that are remembered in memory, until they are written


class DiskEvents(Protocol):
    """Who counts what happens on the disk."""

    def read(self, seconds: float) -> None:
        """An output was served from disk, after so many wall seconds."""

    def lost(self, reason: str) -> None:
        """An output is not kept: `room`, the disk tier's oldest; `damaged`; `backlog`, it came
        faster than it could be written; `failed`, the disk would not have it."""

    def holds(self, entries: int, nbytes: int) -> None:
        """What the tier holds now."""


class _Silent:
    """Counts nothing."""

    def read(self, seconds: float) -> None:
        pass

    def lost(self, reason: str) -> None:
        pass

    def holds(self, entries: int, nbytes: int) -> None:
        pass


@dataclass(frozen=True)
class Threads:
    """Where the disk is waited for. The writer has one thread: a file has one writer at a time."""

    reader: Executor
    writer: Executor

    def close(self) -> None:
        """Let the threads go; what they do is waited for."""
        self.reader.shutdown()
        self.writer.shutdown()


class DiskTier:
    """Outputs on the disk, at most `capacity` bytes as DiskFile.record counts them; the least
    recently used leave where room is needed.

    What it holds is known in memory, so that only a payload is waited for. What is put waits in
    memory for its transaction and can be read meanwhile. `threads` None (virtual time): the disk is
    read and written in the event loop. `dropped` is called with each output that leaves on its own.
    """

    def __init__(
        self,
        file: DiskFile,
        threads: Threads | None = None,
        events: DiskEvents | None = None,
        backlog_bytes: int = BACKLOG_BYTES,
    ) -> None:
        self.file = file
        self.capacity = file.capacity
        self.nbytes = 0
        self.dropped: Callable[[str, int], None] = lambda prompt_key, step: None
        self._threads = threads
        self._events = events or _Silent()
        self._backlog_bytes = backlog_bytes
        self._records: OrderedDict[Name, Record] = OrderedDict()  # least recently used first
        self._steps: dict[str, set[int]] = {}
        self._uses = 0
        self._waiting: OrderedDict[Name, Entry] = OrderedDict()  # to be written
        self._waiting_bytes = 0
        self._removed: set[Name] = set()  # from the file, in the next transaction
        self._touched: set[Name] = set()
        self._writing: asyncio.Future[None] | None = None
        self._reading: dict[Name, asyncio.Task[Entry | None]] = {}
        self._broken = False  # the last transaction failed

    def open(self) -> int:
        """Take over what the file holds, as far as there is room; how many outputs. Blocks."""
        for record in self.file.scan():
            self._hold(record)
            self._uses = record.used
        for _ in range(self.file.damaged):
            self._events.lost("damaged")
        self._make_room(0)
        self._events.holds(len(self), self.nbytes)
        return len(self._records)

    def steps(self, prompt_key: str) -> set[int]:
        """The held steps of a prompt."""
        return set(self._steps.get(prompt_key, ()))

    def furthest(self, prompt_key: str, limit: int, above: int = 0) -> int:
        """The largest held step of a prompt in above + 1 .. limit; 0 where there is none."""
        steps = self._steps.get(prompt_key)
        if steps is None:
            return 0
        return max((step for step in steps if above < step <= limit), default=0)

    def put(self, entry: Entry) -> bool:
        """Keep an output, the most recently used then; False where it cannot be kept. One that is
        there already is only touched."""
        name = entry.frame.prompt_key, entry.frame.step
        known = self._records.get(name)
        if known is not None and known.checksum == entry.frame.checksum:
            self.touch(name)
            return True
        self._forget(name)
        record = self.file.record(entry, self._uses + 1)
        if record.size > self.capacity or not self.file.takes(entry):
            self._events.lost("room")
        elif self.is_behind(record.nbytes):
            self._events.lost("backlog")
        else:
            self._make_room(record.size)
            self._uses += 1
            self._hold(record)
            self._waiting[name] = entry
            self._waiting_bytes += record.nbytes
            self._removed.discard(name)
        fits = name in self._records
        self._write()
        return fits

    def is_behind(self, nbytes: int) -> bool:
        """Whether so much waits to be written that `nbytes` more are refused."""
        return bool(self._waiting) and self._waiting_bytes + nbytes > self._backlog_bytes

    def touch(self, name: Name) -> None:
        """An output was used."""
        self._uses += 1
        self._records[name].used = self._uses
        self._records.move_to_end(name)
        self._touched.add(name)
        if len(self._touched) >= BATCH_USES:
            self._write()

    def remove(self, name: Name) -> bool:
        """Let an output go, without a call of `dropped`; whether there was one."""
        removed = self._forget(name)
        self._write()
        return removed

    async def read(self, name: Name) -> Entry | None:
        """An output with its payload, checked; None where there is none any more, or it was damaged
        and has been dropped."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        entry = self._waiting.get(name)
        if entry is None and name in self._records:
            if self._threads is None:
                entry = self._checked(name, self._load(name))
            else:
                reading = self._reading.get(name)
                if reading is None:
                    reading = asyncio.create_task(self._read(name, self._threads.reader))
                    self._reading[name] = reading
                # who gives up must not end it for those who wait, too
                entry = await asyncio.shield(reading)
        if entry is not None:
            self._events.read(loop.time() - began)
            if name in self._records:
                self.touch(name)
        return entry

    async def flush(self) -> None:
        """Write all that waits. Returns early where the disk refuses."""
        self._broken = False
        while (self._waiting or self._removed or self._touched) and not self._broken:
            self._write()
            if self._writing is not None:
                await asyncio.shield(self._writing)

    async def close(self) -> None:
        """Write all that waits, and close the file."""
        if self._reading:
            await asyncio.gather(*self._reading.values(), return_exceptions=True)
        await self.flush()
        if self._threads is not None:
            self._threads.close()
        self.file.close()

    def names(self) -> list[Name]:
        """What is held, least recently used first."""
        return list(self._records)

    def held(self) -> Iterator[Held]:
        """What is held, without its frames, in no meaningful order. Blocks: the file is read."""
        for held in self.file.heads():
            name = held.prompt_key, held.step
            if name in self._records and name not in self._waiting:
                yield held
        for (key, step), entry in self._waiting.items():
            yield Held(key, step, entry.prompt, entry.embedding)

    def check(self) -> None:
        """Recount, O(entries). Raises CacheCorrupted."""
        check_bounds("the disk", self.nbytes, self.capacity)
        total = sum(record.size for record in self._records.values())
        if total != self.nbytes:
            raise CacheCorrupted(f"the disk counts {self.nbytes} bytes, its outputs have {total}")
        indexed = {(key, step) for key, steps in self._steps.items() for step in steps}
        if indexed != self._records.keys():
            raise CacheCorrupted(
                f"the disk has {len(self._records)} outputs and an index of {len(indexed)}"
            )
        strangers = self._waiting.keys() - self._records.keys()
        if strangers:
            raise CacheCorrupted(f"{len(strangers)} outputs wait for the disk that it has not")
        waiting = sum(entry.frame.nbytes for entry in self._waiting.values())
        if waiting != self._waiting_bytes:
            raise CacheCorrupted(
                f"{waiting} bytes wait for the disk, {self._waiting_bytes} by count"
            )
        for (key, step), record in self._records.items():
            if record.name != (key, step):
                raise CacheCorrupted(f"the disk keeps step {record.name[1]} under step {step}")

    def __len__(self) -> int:
        return len(self._records)

    def _hold(self, record: Record) -> None:
        key, step = record.name
        self._records[key, step] = record
        self._steps.setdefault(key, set()).add(step)
        self.nbytes += record.size
        self._events.holds(len(self), self.nbytes)

    def _forget(self, name: Name) -> bool:
        record = self._records.pop(name, None)
        if record is None:
            return False
        self.nbytes -= record.size
        key, step = name
        self._steps[key].remove(step)
        if not self._steps[key]:
            del self._steps[key]
        entry = self._waiting.pop(name, None)
        if entry is not None:
            self._waiting_bytes -= entry.frame.nbytes
        self._touched.discard(name)
        self._removed.add(name)
        self._events.holds(len(self), self.nbytes)
        return True

    def _make_room(self, size: int) -> None:
        while self.nbytes + size > self.capacity:
            self._lose(next(iter(self._records)), "room")

    def _lose(self, name: Name, reason: str) -> None:
        if self._forget(name):
            self._events.lost(reason)
            self.dropped(*name)

    def _write(self) -> None:
        """Begin the next transaction, unless one is under way; it begins the next one."""
        while self._writing is None and (self._waiting or self._removed or self._touched):
            batch = self._batch()
            if self._threads is None:
                self._written(batch, self._commit(batch))
                if self._broken:
                    return
                continue
            loop = asyncio.get_running_loop()
            done = loop.run_in_executor(self._threads.writer, self._commit, batch)
            self._writing = loop.create_future()
            done.add_done_callback(functools.partial(self._ended, batch))

    def _ended(self, batch: Written, done: asyncio.Future[Exception | None]) -> None:
        assert self._writing is not None
        self._writing.set_result(None)
        self._writing = None
        self._written(batch, OSError("it was cancelled") if done.cancelled() else done.result())
        if not self._broken and self._waiting:
            self._write()

    def _batch(self) -> Written:
        added: dict[Name, tuple[Entry, int]] = {}
        nbytes = 0
        for name, entry in self._waiting.items():
            if added and nbytes + entry.frame.nbytes > BATCH_BYTES:
                break
            added[name] = entry, self._records[name].used
            nbytes += entry.frame.nbytes
        touched = {name: self._records[name].used for name in self._touched - added.keys()}
        # those that still wait take their last use with them
        written = Written(removed=frozenset(self._removed), added=added, touched=touched)
        self._removed = set()
        self._touched = set()
        return written

    def _commit(self, batch: Written) -> Exception | None:
        """In the writer's thread: what went wrong."""
        try:
            self.file.commit(batch)
        except Exception as error:  # whatever it is, the batch is lost and the tier goes on
            return error
        return None

    def _written(self, batch: Written, error: Exception | None) -> None:
        self._broken = error is not None
        if error is not None and not isinstance(error, DiskFull):
            # still in the file: the next transaction tries again
            self._removed |= {name for name in batch.removed if name not in self._records}
        for name, (entry, _) in batch.added.items():
            # meanwhile it may have left, or another may have come in its place
            if self._waiting.get(name) is not entry:
                continue
            if error is not None:
                self._lose(name, "failed")
                continue
            del self._waiting[name]
            self._waiting_bytes -= entry.frame.nbytes

    async def _read(self, name: Name, reader: Executor) -> Entry | None:
        loop = asyncio.get_running_loop()
        try:
            while (record := self._records.get(name)) is not None:
                outcome = await loop.run_in_executor(reader, self._load, name)
                now = self._records.get(name, record)
                if now is record:
                    return self._checked(name, outcome)
                # it has left meanwhile, and another has come in its place
                if name in self._waiting:
                    return self._waiting[name]
            return None
        finally:
            del self._reading[name]

    def _load(self, name: Name) -> Entry | FrameError | None:
        """In the reader's thread: an output, or what is wrong with it."""
        try:
            return self.file.read(name)
        except FrameError as error:
            return error

    def _checked(self, name: Name, outcome: Entry | FrameError | None) -> Entry | None:
        """An output that was read; one that is damaged, or missing although it is held, is
        dropped."""
        if isinstance(outcome, Entry):
            return outcome
        self._lose(name, "damaged")
        self._write()
        return None
