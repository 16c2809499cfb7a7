"""What an event may do to a run, one protocol for each kind of part.

`FaultyRun` is all of it; `orchestrator.live.faults.Injector` implements it, a room a protocol.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

from midstep.events.changes import DeviceChange, EdgeChange

__all__ = [
    "FaultyDevices",
    "FaultyEdges",
    "FaultyHandover",
    "FaultyProcesses",
    "FaultyRun",
    "FaultyUsers",
    "Part",
]

Part = Literal["edge", "host", "learner", "node"]


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


class FaultyEdges(Protocol):
    """Edges and their learners; `edge` None: all that live. Calls raise MidstepError, one line."""

    def called(self, edge: str | None) -> str:
        """The edges that live, in words; such as "edge-0", or "5 edges"."""

    def capacity(self, edge: str) -> int:
        """Size of the store that the scenario gives an edge, bytes."""

    async def change_edge(self, change: EdgeChange, edge: str | None = None) -> int:
        """Change an edge; how many outputs have left its store for it."""

    async def restart_edge(
        self, edge: str | None, store: Literal["cold", "warm"], down_s: float
    ) -> str:
        """Begin to restart an edge, which serves again `down_s` later or when it can; what it will
        hold, in words."""

    async def pause_learner(self, edge: str | None, seconds: float) -> None:
        """Let the learner of an edge do nothing for so long; returns at once."""


class FaultyProcesses(Protocol):
    """Processes that can be killed. Calls raise MidstepError, one line."""

    async def names(self, part: Part) -> list[str]:
        """The parts of a kind that live and can be killed; of learners, their edges' names."""

    async def kill(self, part: Part, name: str, hard: bool) -> str:
        """Kill one, whose death is then expected; in words what dies, and how."""


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


class FaultyRun(FaultyUsers, FaultyDevices, FaultyHandover, FaultyEdges, FaultyProcesses, Protocol):
    """A run in which events happen."""
