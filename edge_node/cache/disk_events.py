"""What happens on a disk tier, for whoever counts it."""

from __future__ import annotations

from typing import Protocol

__all__ = ["DiskEvents", "SilentEvents"]


class DiskEvents(Protocol):
    """Who counts what happens on the disk."""

    def read(self, seconds: float) -> None:
        """An output was served from disk, after so many wall seconds."""

    def lost(self, reason: str) -> None:
        """An output is not kept: `room`, the disk tier's oldest; `damaged`; `backlog`, it came
        faster than it could be written; `failed`, the disk would not have it."""

    def holds(self, entries: int, nbytes: int) -> None:
        """What the tier holds now."""


class SilentEvents:
    """Counts nothing."""

    def read(self, seconds: float) -> None:
        pass

    def lost(self, reason: str) -> None:
        pass

    def holds(self, entries: int, nbytes: int) -> None:
        pass
