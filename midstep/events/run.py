"""What an event may do to a run, one protocol for each kind of part.

`FaultyRun` is all of it; `orchestrator.live.faults.Injector` implements it, a room a protocol.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from midstep.events.changes import DeviceChange

__all__ = ["FaultyDevices", "FaultyRun", "FaultyUsers"]


class FaultyUsers(Protocol):
    """Users who come and go. Calls raise MidstepError, one line."""

    def users(self, edge: str | None = None) -> int:
        """Devices that the run, or one edge of it, has now."""

    async def scale(self, users: int, edge: str | None = None) -> int:
        """Let the run, or one edge of it, have `users` devices; how many the run has then, in
        all."""

    async def leave(self, kind: str, share: float = 1.0, edge: str | None = None) -> int:
        """Let a share of the devices of a class leave, of the run or of one edge; how many."""

    async def come_back(self, kind: str, edge: str | None = None) -> int:
        """Let those come back that left by the same words; how many."""


class FaultyDevices(Protocol):
    """Devices and links that change. Calls raise MidstepError, one line."""

    async def change_devices(
        self,
        change: DeviceChange,
        *,
        kind: str | None = None,
        users: Sequence[int] | None = None,
        edge: str | None = None,
    ) -> int:
        """Let a change come now to the devices of a class, of some users, of one edge, and to those
        that come while it lasts; how many there are now. One that lifts its cause comes to all who
        may have that."""


class FaultyRun(FaultyUsers, FaultyDevices, Protocol):
    """A run in which events happen."""
