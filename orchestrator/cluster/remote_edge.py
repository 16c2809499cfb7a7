"""An edge in a process of its own, as the centre reaches it, and how another takes its place."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import ray
import ray.exceptions

from midstep.address import split_address
from midstep.diffusion.pace import MachinePace
from midstep.errors import EdgeUnreachable, MidstepError, PartDied
from midstep.events.changes import EdgeChange
from midstep.scenario import Scenario
from midstep.telemetry.exporter import Target
from midstep.wire.messages import Description
from midstep.wire.security import Credentials
from orchestrator.cluster.actors import Successor
from orchestrator.cluster.bounded_waits import opening, settled
from orchestrator.cluster.remotes import Remote
from orchestrator.live.cell import EdgeStatus

__all__ = ["RemoteEdge"]

CLOSE_S = 10.0  # wall seconds that an edge has to write what its disk is to keep
Served = tuple[str, str, Description, int, MachinePace]


class RemoteEdge(Remote):
    """See EdgePart. `scenario` is of this edge alone, `actor` its first process; `spawn` starts
    another, on a node of that id; `targets` are those of the run's metrics."""

    def __init__(
        self,
        scenario: Scenario,
        actor: Any,
        spawn: Callable[[str | None], Awaitable[Any]],
        targets: list[Target],
    ) -> None:
        super().__init__(scenario.edge.name, actor)
        self._scenario = scenario
        self._spawn = spawn
        self._targets = targets
        self._credentials: Credentials | None = None
        self._port = 0
        self._epoch_s = 0.0
        self._lasting = EdgeChange()  # what holds for the next process, too
        self._restarting = False
        self._lost: str | None = None  # why no process will serve any more
        self._pace: MachinePace | None = None  # of the process that serves, as it last said
        self._before: MachinePace | None = None  # of those before it
        self._neighbours: Mapping[str, str] = {}

    async def open(self, credentials: Credentials) -> Served:
        """Let it serve; see EdgeActor.open. Raises ScenarioError where it does not start."""
        self._credentials = credentials
        ref = self.actor.open.remote(self._scenario, credentials)
        return self._note(await opening(self.call(ref), self.name))

    async def meet(self, neighbours: Mapping[str, str]) -> None:
        """Let it, and who comes after it, know the edges at these addresses as neighbours."""
        self._neighbours = neighbours
        await self._introduce(self.actor)

    async def start(self, epoch_s: float) -> None:
        self._epoch_s = epoch_s
        await self.call(self.actor.start.remote(epoch_s))

    async def status(self) -> EdgeStatus:
        actor = self._serving()
        try:
            status: EdgeStatus = await self.call(actor.status.remote())
            self._pace = status.pace
            return status.since(self._before)
        except PartDied as error:
            if self._restarting or actor is not self.actor:
                raise self._unreachable() from error
            raise

    async def change(self, change: EdgeChange) -> int:
        if self._restarting and not change.wipe:
            self._lasting = self._lasting.then(change)
            return 0
        left: int = await self.call(self._serving().change.remote(change))
        self._lasting = self._lasting.then(change)
        return left

    async def restart(self, warm: bool, down_s: float) -> int:
        """See EdgePart. A warm one that has a disk finds everything there. A process that has one
        ends in order."""
        ends_s = time.monotonic() + down_s / self._scenario.modes.time_scale
        old = self._serving()
        place = await self.place()
        self._restarting = True
        try:
            fresh = await self._spawn(place.node)  # it starts while the old one ends
            folder = None
            if self._scenario.edge.disk is not None:
                closing = old.close_warm.remote() if warm else old.close.remote()
                with contextlib.suppress(ray.exceptions.RayError, TimeoutError):
                    folder = await asyncio.wait_for(settled(closing), CLOSE_S)
            await super().kill(hard=True)
            successor = Successor(
                before=place.process_id,
                port=self._port,
                epoch_s=self._epoch_s,
                change=self._lasting,
                left_behind=folder,
            )
            await asyncio.sleep(max(0.0, ends_s - time.monotonic()))
            ref = fresh.open.remote(self._scenario, self._credentials, successor)
            self._note(await opening(self.call(ref), self.name))
            await self._introduce(fresh)
            await self.call(fresh.start.remote(self._epoch_s))
            if self._lasting != successor.change:  # it was changed meanwhile
                await self.call(fresh.change.remote(self._lasting))
            self.actor = fresh
            self._before = self._pace if self._pace is None else self._pace.since(self._before)
        except MidstepError as error:
            self._lost = f"{self.name} did not come back: {error}"
            raise PartDied(self._lost) from error
        finally:
            self._restarting = False
        held: int = await self.call(fresh.held.remote())
        return held

    async def kill(self, hard: bool) -> None:
        self._serving()
        await super().kill(hard)

    async def close(self) -> None:
        """End it in order, as far as it is there."""
        await asyncio.wait_for(settled(self.actor.close.remote()), 3)

    async def _introduce(self, actor: Any) -> None:
        """Let an actor meet the neighbours."""
        if self._neighbours:
            assert self._credentials is not None
            public = self._credentials.public()
            await self.call(actor.meet.remote(dict(self._neighbours), public))

    def _note(self, served: Served) -> Served:
        address, exporter, *_ = served
        self._port = split_address(address)[1]
        self._targets[:] = [target for target in self._targets if target.process != self.name]
        self._targets.append(Target(exporter, "edge", self.name))
        return served

    def _serving(self) -> Any:
        """The actor. Raises EdgeUnreachable while it restarts, PartDied where that failed."""
        if self._lost is not None:
            raise PartDied(self._lost)
        if self._restarting:
            raise self._unreachable()
        return self.actor

    def _unreachable(self) -> EdgeUnreachable:
        return EdgeUnreachable(f"{self.name} does not answer: it restarts")
