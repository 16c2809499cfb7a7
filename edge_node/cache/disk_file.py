"""The file of a disk tier: outputs of one pipeline in an lmdb environment, each with a checksum.

An output's head (prompt, sizes, last use) and its payload stand under one key in two databases,
written in one transaction: a process that is killed leaves the outputs of whole transactions.
Opening reads the heads alone. Everything here blocks.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import lmdb

from edge_node.cache.base import Entry, Held
from edge_node.cache.disk_head import HEAD_BYTES, Contents, Name, key_of, name_of
from midstep.errors import FrameError, ScenarioError

__all__ = ["DiskFile", "DiskFull", "Record", "Written"]

VERSION = b"midstep outputs 1"
LONGEST_KEY = 507  # bytes of a prompt_key: lmdb's keys have 511, the step takes 4
PAGE_HEAD = 16  # bytes that lmdb puts before a payload in pages of its own
NODE_HEAD = 8  # bytes that lmdb puts before a small value
SLACK = 64 << 20  # bytes of the map beyond twice the capacity: addresses, not disk


class DiskFull(Exception):
    """The map, or the disk, has no room for what was to be written; removals were done."""


@dataclass(eq=False, slots=True, kw_only=True)
class Record:
    """An output on the disk: the bytes of its frame, `size` that it takes of the file, its frame's
    checksum, and `used`, its last use, a count that grows with every use."""

    name: Name
    nbytes: int
    size: int
    checksum: int
    used: int


@dataclass(frozen=True, kw_only=True)
class Written:
    """One transaction: outputs that leave, outputs that come, and last uses of others."""

    removed: frozenset[Name]
    added: Mapping[Name, tuple[Entry, int]]
    touched: Mapping[Name, int]


class DiskFile:
    """The environment in folder `path`, None: in one that `close` removes. One process at a time.
    `durable`: a commit waits for the disk.

    Raises ScenarioError, one line, where the folder cannot be used or holds outputs of another
    pipeline.
    """

    def __init__(
        self, path: Path | None, capacity: int, contents: Contents, *, durable: bool = True
    ) -> None:
        self.temporary = path is None
        if path is None:
            path = Path(tempfile.mkdtemp(prefix="midstep-disk-"))
        self.path = path
        self.capacity = capacity
        self.contents = contents
        self.damaged = 0  # records that `scan` left out
        self._lock = -1
        try:
            path.mkdir(parents=True, exist_ok=True)
            self._lock = _own(path)
            self._environment = lmdb.open(
                str(path),
                map_size=2 * capacity + SLACK,
                max_dbs=3,
                metasync=False,
                sync=durable,
                readahead=False,
            )
            self._whole()
            about = self._environment.open_db(b"about")
            self._heads = self._environment.open_db(b"heads")
            self._payloads = self._environment.open_db(b"payloads")
            self._page = int(self._environment.stat()["psize"])
            self._agree(about)
        except (OSError, lmdb.Error) as error:
            self.close()
            raise ScenarioError(
                f"edges.N.disk_path: {path} cannot hold outputs: {error}; give another folder, or "
                f"remove this one"
            ) from error
        except ScenarioError:
            self.close()
            raise

    def close(self) -> None:
        """Close the environment, and let other processes have the folder. Idempotent."""
        environment = getattr(self, "_environment", None)
        if environment is not None:
            environment.close()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1
        if self.temporary:
            shutil.rmtree(self.path, ignore_errors=True)

    def record(self, entry: Entry, used: int) -> Record:
        """The record of an output that is to be written."""
        frame = entry.frame
        key = len(frame.prompt_key.encode()) + 4
        text = len(entry.prompt.encode("utf-8", "surrogatepass"))
        floats = 0 if entry.embedding is None else entry.embedding.size
        return Record(
            name=(frame.prompt_key, frame.step),
            nbytes=frame.nbytes,
            size=self._size(key, HEAD_BYTES + text + 4 * floats, frame.nbytes),
            checksum=frame.checksum,
            used=used,
        )

    def takes(self, entry: Entry) -> bool:
        """Whether an output can stand here at all: one of this pipeline, under a key that fits."""
        frame = entry.frame
        fits = len(frame.prompt_key.encode()) <= LONGEST_KEY
        return fits and frame.pipeline == self.contents.pipeline

    def scan(self) -> list[Record]:
        """Every record, least recently used first. Those that are damaged, or without a payload,
        are removed and counted in `damaged`."""
        records: list[Record] = []
        broken: set[bytes] = set()
        with self._environment.begin(buffers=True) as transaction:
            for buffer, head in transaction.cursor(self._heads):
                key = bytes(buffer)
                try:
                    facts = self.contents.facts(key, head)
                    name = name_of(key)
                except FrameError:
                    broken.add(key)
                    continue
                record = Record(
                    name=name,
                    nbytes=facts.nbytes,
                    size=self._size(len(key), len(head), facts.nbytes),
                    checksum=facts.checksum,
                    used=facts.used,
                )
                records.append(record)
            whole = len(records) == transaction.stat(self._payloads)["entries"]
            if not whole or broken:
                cursor = transaction.cursor(self._payloads)
                payloads = set(map(bytes, cursor.iternext(values=False)))
                broken |= payloads ^ {key_of(record.name) for record in records}
                records = [record for record in records if key_of(record.name) in payloads]
        self.damaged += len(broken)
        if broken:
            with self._environment.begin(write=True) as transaction:
                for key in broken:
                    transaction.delete(key, db=self._heads)
                    transaction.delete(key, db=self._payloads)
        records.sort(key=lambda record: record.used)
        return records

    def heads(self) -> Iterator[Held]:
        """Every output without its frame, damaged ones left out, in the order of their keys."""
        contents = self.contents
        with self._environment.begin() as transaction:
            for key, head in transaction.cursor(self._heads):
                try:
                    facts = contents.facts(key, head)
                    prompt_key, step = name_of(key)
                except FrameError:
                    continue
                prompt = contents.prompt(facts, head)
                yield Held(prompt_key, step, prompt, contents.vector(facts, head))

    def read(self, name: Name) -> Entry | None:
        """An output, None where there is none. Raises FrameError where it is damaged, or is not
        what its key says."""
        key = key_of(name)
        try:
            with self._environment.begin() as transaction:
                head = transaction.get(key, db=self._heads)
                payload = transaction.get(key, db=self._payloads)
        except lmdb.Error as error:
            raise FrameError(f"{self.path}: {error}") from error
        if head is None and payload is None:
            return None
        if head is None or payload is None:
            raise FrameError(f"{self.path}: half of {name[0][:12]} at step {name[1]} is missing")
        return self.contents.entry(key, head, payload)

    def commit(self, written: Written) -> None:
        """Write one transaction. Raises DiskFull where there is no room, lmdb.Error."""
        try:
            self._write(written.removed, written.added, written.touched)
        except (lmdb.MapFullError, lmdb.DiskError) as error:
            self._write(written.removed, {}, written.touched)
            raise DiskFull(str(error)) from error

    def used_bytes(self) -> int:
        """Bytes of the pages that are in use, whatever the file's own size: free pages are used
        again, and never given back."""
        pages = 0
        with self._environment.begin() as transaction:
            for database in (self._heads, self._payloads):
                stat = transaction.stat(database)
                pages += stat["branch_pages"] + stat["leaf_pages"] + stat["overflow_pages"]
        return pages * self._page

    def _size(self, key: int, *values: int) -> int:
        """Bytes that lmdb keeps values under one key in: a large one has pages of its own, from a
        third of a page on it may; small ones take twice their bytes, as their pages are half full
        or more."""
        size = 0
        for value in values:
            node = key + NODE_HEAD
            if 3 * (node + value) < self._page:
                size += 2 * (node + value)
            else:
                size += 2 * node + -(-(value + PAGE_HEAD) // self._page) * self._page
        return size

    def _write(
        self,
        removed: Iterable[Name],
        added: Mapping[Name, tuple[Entry, int]],
        touched: Mapping[Name, int],
    ) -> None:
        with self._environment.begin(write=True) as transaction:
            for name in removed:
                key = key_of(name)
                transaction.delete(key, db=self._heads)
                transaction.delete(key, db=self._payloads)
            for name, (entry, used) in added.items():
                key = key_of(name)
                transaction.put(key, self.contents.pack(key, entry, used), db=self._heads)
                transaction.put(key, entry.frame.payload, db=self._payloads)
            for name, used in touched.items():
                key = key_of(name)
                head = transaction.get(key, db=self._heads)
                if head is not None:
                    head = self.contents.used_at(key, head, used)
                    transaction.put(key, head, db=self._heads)

    def _whole(self) -> None:
        """Check that the file has all its pages: reading one that is cut off ends the process.
        Raises OSError."""
        file = self.path / "data.mdb"
        needed = (self._environment.info()["last_pgno"] + 1) * self._environment.stat()["psize"]
        if file.stat().st_size < needed:
            raise OSError(f"the file has {file.stat().st_size} of {needed} bytes")

    def _agree(self, about: lmdb._Database) -> None:
        """Write what the file is of, or raise ScenarioError where it is of something else."""
        mine = {
            b"version": VERSION,
            b"pipeline": self.contents.pipeline.encode(),
            b"numbers": self.contents.numbers.encode(),
        }
        with self._environment.begin(write=True, db=about) as transaction:
            theirs = {key: transaction.get(key) for key in mine}
            if not any(theirs.values()):
                for key, value in mine.items():
                    transaction.put(key, value)
                return
        for key, value in mine.items():
            other = theirs[key]
            if other != value:
                raise ScenarioError(
                    f"edges.N.disk_path: {self.path} holds outputs of {key.decode()} "
                    f"{_excerpt(other)}, this edge's is {_excerpt(value)}: give another folder, or "
                    f"remove this one"
                )


def _own(path: Path) -> int:
    """A descriptor that locks the folder until it is closed, also by a process's death. Raises
    OSError where another has it."""
    lock = os.open(path / "in-use", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        raise OSError("another edge is using it") from error
    return lock


def _excerpt(value: bytes | None) -> str:
    return "nothing" if value is None else value.decode("utf-8", "replace")[:24]
