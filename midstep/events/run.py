"""What an event may do to a run, one protocol for each kind of part.

`FaultyRun` is all of it; `orchestrator.live.faults.Injector` implements it, a room a protocol.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

__all__ = ["FaultyHandover", "FaultyRun", "FaultyUsers"]


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


class FaultyHandover(Protocol):
    """Users who ask another edge. Calls raise MidstepError, one line."""

    def asking(self, kind: str | None = None, edge: str | None = None) -> dict[int, str]:
        """The edge that each user asks, by user number; of a class, of one edge."""

    async def hand_over(self, users: Sequence[int], edge: str) -> int:
        """Let these ask that edge from now on; how many did not before. Requests that have been
        sent end where they were sent."""


class FaultyRun(FaultyHandover, FaultyUsers, Protocol):
    """A run in which events happen."""
