"""The file of a disk tier: outputs of one pipeline in an lmdb environment, each with a checksum.

An output's head (prompt, sizes, last use) and its payload stand under one key in two databases,
written in one transaction: a process that is killed leaves the outputs of whole transactions.
Opening reads the heads alone. Everything here blocks.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import struct
import tempfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import lmdb
import numpy as np

from edge_node.cache.base import Entry
from midstep.errors import FrameError, ScenarioError
from midstep.wire.frame import Frame

__all__ = ["Contents", "DiskFile", "DiskFull", "Name", "Record", "Written"]

Name = tuple[str, int]  # an output's prompt_key and step

VERSION = b"midstep outputs 1"
LONGEST_KEY = 507  # bytes of a prompt_key: lmdb's keys have 511, the step takes 4
PAGE_HEAD = 16  # bytes that lmdb puts before a payload in pages of its own
NODE_HEAD = 8  # bytes that lmdb puts before a small value
SLACK = 64 << 20  # bytes of the map beyond twice the capacity: addresses, not disk
# checksum of the rest, last use, payload bytes, frame checksum, steps, truncated, prompt bytes,
# embedding floats, embedder
HEAD = struct.Struct("<IQIIIBHHI")


class DiskFull(Exception):
    """The map, or the disk, has no room for what was to be written; removals were done."""


@dataclass(frozen=True, kw_only=True)
class Contents:
    """What a file is of: outputs of `pipeline`, whose frames have such `numbers` (reuse.frame).
    `embedder` names what made the embeddings; those of another are passed over."""

    pipeline: str
    numbers: str = "float32"
    embedder: str = ""

    @property
    def tag(self) -> int:
        """The embedder in four bytes."""
        return zlib.crc32(self.embedder.encode())


@dataclass(frozen=True, kw_only=True)
class Record:
    """An output on the disk: its `entry` without the payload, `nbytes` of which the frame has,
    `size` that it takes of the file, and `used`, its last use, a count that grows with every
    use."""

    entry: Entry
    nbytes: int
    size: int
    used: int

    @property
    def name(self) -> Name:
        return self.entry.frame.prompt_key, self.entry.frame.step

    def at(self, used: int) -> Record:
        """The same, used later."""
        return Record(entry=self.entry, nbytes=self.nbytes, size=self.size, used=used)


@dataclass(frozen=True, kw_only=True)
class Written:
    """One transaction: outputs that leave, outputs that come, and uses of others."""

    removed: frozenset[Name]
    added: Mapping[Name, tuple[Entry, Record]]
    touched: Mapping[Name, Record]


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
        self.pipeline = contents.pipeline
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
        """The record of an output that is to be written. Its size is what lmdb keeps it in: a
        payload has pages of its own; small values take twice their bytes, as their pages are half
        full or more."""
        nbytes = entry.frame.nbytes
        empty = replace(entry, frame=replace(entry.frame, payload=b""))
        return Record(entry=empty, nbytes=nbytes, size=self._size(empty, nbytes), used=used)

    def takes(self, entry: Entry) -> bool:
        """Whether an output can stand here at all: one of this pipeline, under a key that fits."""
        frame = entry.frame
        return frame.pipeline == self.pipeline and len(frame.prompt_key.encode()) <= LONGEST_KEY

    def scan(self) -> list[Record]:
        """Every record, least recently used first. Those that are damaged, or without a payload,
        are removed and counted in `damaged`."""
        records: list[Record] = []
        broken: list[bytes] = []
        with self._environment.begin(buffers=True) as transaction:
            payloads = set(map(bytes, transaction.cursor(self._payloads).iternext(values=False)))
            for key, head in transaction.cursor(self._heads):
                name = bytes(key)
                try:
                    entry, used, nbytes = _read_head(name, bytes(head), self.contents)
                except FrameError:
                    broken.append(name)
                    continue
                if name not in payloads:
                    broken.append(name)
                    continue
                payloads.remove(name)
                size = self._size(entry, nbytes)
                records.append(Record(entry=entry, nbytes=nbytes, size=size, used=used))
        broken += payloads
        self.damaged += len(broken)
        if broken:
            with self._environment.begin(write=True) as transaction:
                for name in broken:
                    transaction.delete(name, db=self._heads)
                    transaction.delete(name, db=self._payloads)
        records.sort(key=lambda record: record.used)
        return records

    def read(self, name: Name) -> Entry | None:
        """An output, None where there is none. Raises FrameError where it is damaged, or is not
        what its key says."""
        key = _key(name)
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
        entry, _, nbytes = _read_head(key, head, self.contents)
        if len(payload) != nbytes:
            raise FrameError(f"{self.path}: {name[0][:12]} has {len(payload)} of {nbytes} bytes")
        whole = replace(entry, frame=replace(entry.frame, payload=payload))
        whole.frame.verify(self.pipeline, name[0])
        return whole

    def commit(self, written: Written) -> None:
        """Write one transaction. Raises DiskFull where there is no room, lmdb.Error."""
        try:
            self._write(written.removed, written.added, written.touched)
        except (lmdb.MapFullError, lmdb.DiskError) as error:
            self._write(written.removed, {}, written.touched)
            raise DiskFull(str(error)) from error

    def _size(self, entry: Entry, nbytes: int) -> int:
        key = len(entry.frame.prompt_key.encode()) + 4 + NODE_HEAD
        floats = 0 if entry.embedding is None else entry.embedding.size
        head = HEAD.size + len(entry.prompt.encode("utf-8", "surrogatepass")) + 4 * floats
        return sum(self._value_size(key, value) for value in (head, nbytes))

    def _value_size(self, key: int, value: int) -> int:
        """Bytes of a key and its value: from a third of a page on it may have pages of its own."""
        if 3 * (key + value) < self._page:
            return 2 * (key + value)
        return 2 * key + -(-(value + PAGE_HEAD) // self._page) * self._page

    def used_bytes(self) -> int:
        """Bytes of the pages that are in use, whatever the file's own size: free pages are used
        again, and never given back."""
        used = 0
        with self._environment.begin() as transaction:
            for database in (None, self._heads, self._payloads):
                stat = transaction.stat(database) if database else self._environment.stat()
                pages = stat["branch_pages"] + stat["leaf_pages"] + stat["overflow_pages"]
                used += pages * self._page
        return used

    def _write(
        self,
        removed: Iterable[Name],
        added: Mapping[Name, tuple[Entry, Record]],
        touched: Mapping[Name, Record],
    ) -> None:
        with self._environment.begin(write=True) as transaction:
            for name in removed:
                key = _key(name)
                transaction.delete(key, db=self._heads)
                transaction.delete(key, db=self._payloads)
            for name, (entry, record) in added.items():
                key = _key(name)
                transaction.put(
                    key, _head(key, entry, record.used, self.contents.tag), db=self._heads
                )
                transaction.put(key, entry.frame.payload, db=self._payloads)
            for name, record in touched.items():
                key = _key(name)
                head = transaction.get(key, db=self._heads)
                if head is not None:
                    transaction.put(key, _used_at(key, head, record.used), db=self._heads)

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
            b"pipeline": self.pipeline.encode(),
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


def _key(name: Name) -> bytes:
    return name[0].encode() + struct.pack(">I", name[1])


def _head(key: bytes, entry: Entry, used: int, tag: int) -> bytes:
    """An output's head. `key` is in its checksum, so that no other output can stand under it."""
    frame = entry.frame
    prompt = entry.prompt.encode("utf-8", "surrogatepass")
    vector = b"" if entry.embedding is None else entry.embedding.astype(np.float32).tobytes()
    rest = HEAD.pack(
        0,
        used,
        frame.nbytes,
        frame.checksum,
        frame.steps,
        entry.truncated,
        len(prompt),
        len(vector) // 4,
        tag,
    )[4:]
    rest += prompt + vector
    return struct.pack("<I", zlib.crc32(rest, zlib.crc32(key))) + rest


def _used_at(key: bytes, head: bytes, used: int) -> bytes:
    """The same head, used later. One that is damaged stays so."""
    if zlib.crc32(head[4:], zlib.crc32(key)) != int.from_bytes(head[:4], "little"):
        return head
    rest = struct.pack("<Q", used) + head[12:]
    return struct.pack("<I", zlib.crc32(rest, zlib.crc32(key))) + rest


def _read_head(key: bytes, head: bytes, contents: Contents) -> tuple[Entry, int, int]:
    """An entry without its payload, its last use, and the payload's bytes. Raises FrameError."""
    if len(head) < HEAD.size or zlib.crc32(head[4:], zlib.crc32(key)) != int.from_bytes(
        head[:4], "little"
    ):
        raise FrameError("the head of an output on the disk is damaged: its checksum differs")
    _, used, nbytes, checksum, steps, truncated, text, floats, tag = HEAD.unpack_from(head)
    prompt = head[HEAD.size : HEAD.size + text].decode("utf-8", "surrogatepass")
    step = int.from_bytes(key[-4:], "big")
    frame = Frame(contents.pipeline, key[:-4].decode(), step, steps, b"", checksum)
    entry = Entry(prompt, frame, bool(truncated))
    if floats and tag == contents.tag:
        vector = np.frombuffer(head, np.float32, floats, HEAD.size + text).copy()
        entry = replace(entry, embedding=vector)
    return entry, used, nbytes


def _excerpt(value: bytes | None) -> str:
    return "nothing" if value is None else value.decode("utf-8", "replace")[:24]
