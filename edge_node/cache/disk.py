"""The disk tier of an edge's cache: outputs that left memory, found again, also after a restart."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass

from edge_node.cache.base import Entry, Held
from edge_node.cache.disk_backlog import DiskBacklog
from edge_node.cache.disk_events import DiskEvents, SilentEvents
from edge_node.cache.disk_file import DiskFile, DiskFull, Record, Written
from edge_node.cache.disk_head import Name
from edge_node.cache.disk_index import DiskIndex
from midstep.errors import FrameError

__all__ = ["DiskTier", "Threads"]

BACKLOG_BYTES = 32 << 20  # of payloads that wait in memory to be written


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
    """Outputs on the disk, at most the file's capacity as DiskFile.record counts bytes; the least
    recently used leave where room is needed.

    The `index` of what it holds is in memory, so that only a payload is waited for. What is put
    waits in the `backlog` for its transaction and can be read meanwhile. `threads` None (virtual
    time): the disk is read and written in the event loop. `dropped` is called with each output that
    leaves on its own.
    """

    def __init__(
        self,
        file: DiskFile,
        threads: Threads | None = None,
        events: DiskEvents | None = None,
        backlog_bytes: int = BACKLOG_BYTES,
    ) -> None:
        self.file = file
        self.index = DiskIndex(file.capacity)
        self.backlog = DiskBacklog(backlog_bytes)
        self.dropped: Callable[[str, int], None] = lambda prompt_key, step: None
        self._threads = threads
        self._events = events or SilentEvents()
        self._writing: asyncio.Future[None] | None = None
        self._reading: dict[Name, asyncio.Task[Entry | None]] = {}
        self._broken = False  # the last transaction failed

    def open(self) -> int:
        """Take over what the file holds, as far as there is room; how many outputs. Blocks."""
        for record in self.file.scan():
            self._hold(record)
        for _ in range(self.file.damaged):
            self._events.lost("damaged")
        self._make_room(0)
        self._events.holds(len(self.index), self.index.nbytes)
        return len(self.index)

    def put(self, entry: Entry) -> bool:
        """Keep an output, the most recently used then; False where it cannot be kept. One that is
        there already is only touched."""
        name = entry.frame.prompt_key, entry.frame.step
        known = self.index.records.get(name)
        if known is not None and known.checksum == entry.frame.checksum:
            self.touch(name)
            return True
        self._forget(name)
        record = self.file.record(entry, self.index.uses + 1)
        if record.size > self.index.capacity or not self.file.takes(entry):
            self._events.lost("room")
        elif self.backlog.refuses(record.nbytes):
            self._events.lost("backlog")
        else:
            self._make_room(record.size)
            self._hold(record)
            self.backlog.add(name, entry)
        fits = name in self.index.records
        self._write()
        return fits

    def touch(self, name: Name) -> None:
        """An output was used."""
        self.index.touch(name)
        if self.backlog.touch(name):
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
        entry = self.backlog.waiting.get(name)
        if entry is None and name in self.index.records:
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
            if name in self.index.records:
                self.touch(name)
        return entry

    async def flush(self) -> None:
        """Write all that waits. Returns early where the disk refuses."""
        self._broken = False
        while self.backlog and not self._broken:
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

    def held(self) -> Iterator[Held]:
        """What is held, without its frames, in no meaningful order. Blocks: the file is read."""
        for held in self.file.heads():
            name = held.prompt_key, held.step
            if name in self.index.records and name not in self.backlog.waiting:
                yield held
        for (key, step), entry in self.backlog.waiting.items():
            yield Held(key, step, entry.prompt, entry.embedding)

    def check(self) -> None:
        """Recount, O(entries). Raises CacheCorrupted."""
        self.index.check()
        self.backlog.check(self.index.records)

    def _hold(self, record: Record) -> None:
        self.index.add(record)
        self._events.holds(len(self.index), self.index.nbytes)

    def _forget(self, name: Name) -> bool:
        if not self.index.remove(name):
            return False
        self.backlog.remove(name)
        self._events.holds(len(self.index), self.index.nbytes)
        return True

    def _make_room(self, size: int) -> None:
        while self.index.nbytes + size > self.index.capacity:
            self._lose(next(iter(self.index.records)), "room")

    def _lose(self, name: Name, reason: str) -> None:
        if self._forget(name):
            self._events.lost(reason)
            self.dropped(*name)

    def _write(self) -> None:
        """Begin the next transaction, unless one is under way; it begins the next one."""
        while self._writing is None and self.backlog:
            batch = self.backlog.take(self.index.records)
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
        if not self._broken and self.backlog.waiting:
            self._write()

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
            self.backlog.retry({name for name in batch.removed if name not in self.index.records})
        for name, (entry, _) in batch.added.items():
            # meanwhile it may have left, or another may have come in its place
            if self.backlog.waiting.get(name) is not entry:
                continue
            if error is not None:
                self._lose(name, "failed")
                continue
            self.backlog.written(name)

    async def _read(self, name: Name, reader: Executor) -> Entry | None:
        loop = asyncio.get_running_loop()
        try:
            while (record := self.index.records.get(name)) is not None:
                outcome = await loop.run_in_executor(reader, self._load, name)
                now = self.index.records.get(name, record)
                if now is record:
                    return self._checked(name, outcome)
                # it has left meanwhile, and another has come in its place
                if name in self.backlog.waiting:
                    return self.backlog.waiting[name]
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
