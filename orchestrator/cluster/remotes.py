"""A run's actors as its own process calls them: a call of a dead one raises in one line."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Mapping, Sequence
from typing import Any, TypeVar

import ray
import ray.exceptions

from midstep.errors import MidstepError, PartDied
from midstep.events.changes import DeviceChange
from midstep.radio.fading import DeviceSpec
from midstep.telemetry.record import Gallery
from orchestrator.cluster.actors import Place
from orchestrator.cluster.in_thread import in_thread
from orchestrator.decision.problem import Served
from orchestrator.live.slot_decision import Decision
from orchestrator.records.rows import EndedRequest

__all__ = ["ANSWER_S", "Remote", "RemoteHost", "RemoteLearner"]

T = TypeVar("T")
ANSWER_S = 3.0  # wall seconds for what an actor does at once


class Remote:
    """An actor's handle that speaks of a dead process in one line."""

    def __init__(self, name: str, actor: Any) -> None:
        self.name = name
        self.actor = actor

    async def call(self, ref: Awaitable[T]) -> T:
        try:
            return await ref
        except ray.exceptions.RayTaskError as error:
            cause = error.cause
            raise (
                cause
                if isinstance(cause, MidstepError)
                else PartDied(f"{self.name} failed: {cause!r}")
            ) from error
        except ray.exceptions.RayError as error:
            raise PartDied(f"{self.name} died") from error

    async def place(self) -> Place:
        """Where it lives. Raises PartDied, TimeoutError."""
        async with asyncio.timeout(ANSWER_S):
            return await self.call(self.actor.place.remote())

    async def kill(self, hard: bool) -> None:
        """End its process; one that does not hear it is ended by Ray."""
        try:
            async with asyncio.timeout(ANSWER_S):
                await self.call(self.actor.end.remote(hard))
        except PartDied:
            return
        except TimeoutError:
            self.discard()

    def discard(self) -> None:
        """Let Ray end its process, and wait for nobody: a head that is gone never answers."""

        def kill() -> None:
            with contextlib.suppress(Exception):  # whatever Ray raises without its head
                ray.kill(self.actor)

        in_thread(kill, "ray-kill")


class RemoteHost(Remote):
    """See HostPart."""

    def __init__(self, name: str, actor: Any, devices: Sequence[DeviceSpec]) -> None:
        super().__init__(name, actor)
        self.devices = list(devices)

    async def start(self, epoch_s: float, since_s: float = 0.0) -> None:
        await self.call(self.actor.start.remote(epoch_s, since_s))

    async def drain(self) -> tuple[list[EndedRequest], bool]:
        return await self.call(self.actor.drain.remote())

    async def join(self, devices: Sequence[DeviceSpec], since_s: float) -> None:
        await self.call(self.actor.join.remote(list(devices), since_s))

    async def leave(self, users: Sequence[int]) -> None:
        await self.call(self.actor.leave.remote(list(users)))

    async def hand_over(self, users: Sequence[int], edge: str, address: str) -> None:
        await self.call(self.actor.hand_over.remote(list(users), address))

    async def change(self, change: DeviceChange, users: Sequence[int]) -> int:
        return await self.call(self.actor.change.remote(change, list(users)))

    async def in_flight(self) -> int:
        return await self.call(self.actor.in_flight.remote())

    async def stop(self, grace_s: float) -> None:
        await self.call(self.actor.stop.remote(grace_s))

    async def gallery(self) -> list[Gallery]:
        return await self.call(self.actor.gallery.remote())


class RemoteLearner(Remote):
    """See LearnerPart."""

    process_id = 0  # until it is open

    async def begin_slot(self, slot: int, expected: int) -> None:
        await self.call(self.actor.begin_slot.remote(slot, expected))

    async def end_slot(self, slot: int, served: list[Served]) -> Decision:
        return await self.call(self.actor.end_slot.remote(slot, served))

    async def checkpoint(self, setting: Mapping[str, Any]) -> bytes:
        return await self.call(self.actor.checkpoint.remote(dict(setting)))

    async def refresh(self) -> None:
        await self.call(self.actor.refresh.remote())

    async def pause(self, wall_s: float) -> None:
        await self.call(self.actor.pause.remote(wall_s))
