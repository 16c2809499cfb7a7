"""What a disk tier holds, as it is known in memory: its outputs' records in the order of their last
uses, the steps of each prompt, and the bytes that all take."""

from __future__ import annotations

from collections import OrderedDict

from edge_node.cache.base import check_bounds
from edge_node.cache.disk_file import Record
from edge_node.cache.disk_head import Name
from midstep.errors import CacheCorrupted

__all__ = ["DiskIndex"]


class DiskIndex:
    """The index of a tier that may take `capacity` bytes; the tier alone changes it, and makes the
    room. `uses` counts the uses of its outputs, `nbytes` the bytes that their records say."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.nbytes = 0
        self.uses = 0
        self.records: OrderedDict[Name, Record] = OrderedDict()  # least recently used first
        self._steps: dict[str, set[int]] = {}

    def steps(self, prompt_key: str) -> set[int]:
        """The held steps of a prompt."""
        return set(self._steps.get(prompt_key, ()))

    def furthest(self, prompt_key: str, limit: int, above: int = 0) -> int:
        """The largest held step of a prompt in above + 1 .. limit; 0 where there is none."""
        steps = self._steps.get(prompt_key)
        if steps is None:
            return 0
        return max((step for step in steps if above < step <= limit), default=0)

    def names(self) -> list[Name]:
        """What is held, least recently used first."""
        return list(self.records)

    def add(self, record: Record) -> None:
        """Hold an output, whose last use is the latest of all."""
        key, step = record.name
        self.records[key, step] = record
        self._steps.setdefault(key, set()).add(step)
        self.nbytes += record.size
        self.uses = record.used

    def touch(self, name: Name) -> None:
        """An output was used."""
        self.uses += 1
        self.records[name].used = self.uses
        self.records.move_to_end(name)

    def remove(self, name: Name) -> bool:
        """Let an output go; whether there was one."""
        record = self.records.pop(name, None)
        if record is None:
            return False
        self.nbytes -= record.size
        key, step = name
        self._steps[key].remove(step)
        if not self._steps[key]:
            del self._steps[key]
        return True

    def check(self) -> None:
        """Recount, O(entries). Raises CacheCorrupted."""
        check_bounds("the disk", self.nbytes, self.capacity)
        total = sum(record.size for record in self.records.values())
        if total != self.nbytes:
            raise CacheCorrupted(f"the disk counts {self.nbytes} bytes, its outputs have {total}")
        indexed = {(key, step) for key, steps in self._steps.items() for step in steps}
        if indexed != self.records.keys():
            raise CacheCorrupted(
                f"the disk has {len(self.records)} outputs and an index of {len(indexed)}"
            )
        for (key, step), record in self.records.items():
            if record.name != (key, step):
                raise CacheCorrupted(f"the disk keeps step {record.name[1]} under step {step}")

    def __len__(self) -> int:
        return len(self.records)
