"""What a disk tier has still to write: outputs that wait in memory, removals, and last uses."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

from edge_node.cache.base import Entry
from edge_node.cache.disk_file import Record, Written
from edge_node.cache.disk_head import Name
from midstep.errors import CacheCorrupted

__all__ = ["DiskBacklog"]

BATCH_BYTES = 4 << 20  # of payloads that one transaction writes
BATCH_USES = 4096  # uses of outputs that are remembered in memory, until they are written


class DiskBacklog:
    """The backlog of a tier, of which at most `limit` bytes of payloads wait. It is true while
    there is something to write. An output waits until `written` says that it is in the file."""

    def __init__(self, limit: int) -> None:
        self.waiting: OrderedDict[Name, Entry] = OrderedDict()  # to be written
        self._limit = limit
        self._nbytes = 0  # of the payloads that wait
        self._removed: set[Name] = set()  # from the file, in the next transaction
        self._touched: set[Name] = set()

    def refuses(self, nbytes: int) -> bool:
        """Whether so much waits to be written that `nbytes` more are refused."""
        return bool(self.waiting) and self._nbytes + nbytes > self._limit

    def add(self, name: Name, entry: Entry) -> None:
        """Let an output wait."""
        self.waiting[name] = entry
        self._nbytes += entry.frame.nbytes
        self._removed.discard(name)

    def remove(self, name: Name) -> None:
        """Let a held output leave the file, or not come there."""
        entry = self.waiting.pop(name, None)
        if entry is not None:
            self._nbytes -= entry.frame.nbytes
        self._touched.discard(name)
        self._removed.add(name)

    def touch(self, name: Name) -> bool:
        """Remember that a held output was used; whether that are so many that they are to be
        written."""
        self._touched.add(name)
        return len(self._touched) >= BATCH_USES

    def take(self, records: Mapping[Name, Record]) -> Written:
        """The next transaction, of outputs with these records; its removals and uses are no longer
        here."""
        added: dict[Name, tuple[Entry, int]] = {}
        nbytes = 0
        for name, entry in self.waiting.items():
            if added and nbytes + entry.frame.nbytes > BATCH_BYTES:
                break
            added[name] = entry, records[name].used
            nbytes += entry.frame.nbytes
        touched = {name: records[name].used for name in self._touched - added.keys()}
        # those that still wait take their last use with them
        written = Written(removed=frozenset(self._removed), added=added, touched=touched)
        self._removed = set()
        self._touched = set()
        return written

    def written(self, name: Name) -> None:
        """Let a waiting output wait no longer: it is in the file."""
        entry = self.waiting.pop(name)
        self._nbytes -= entry.frame.nbytes

    def retry(self, removed: set[Name]) -> None:
        """Remove outputs in the next transaction that the last one could not."""
        self._removed |= removed

    def check(self, records: Mapping[Name, Record]) -> None:
        """Recount, O(entries). Raises CacheCorrupted."""
        strangers = self.waiting.keys() - records.keys()
        if strangers:
            raise CacheCorrupted(f"{len(strangers)} outputs wait for the disk that it has not")
        waiting = sum(entry.frame.nbytes for entry in self.waiting.values())
        if waiting != self._nbytes:
            raise CacheCorrupted(f"{waiting} bytes wait for the disk, {self._nbytes} by count")

    def __bool__(self) -> bool:
        return bool(self.waiting or self._removed or self._touched)
