"""An edge in this process that can be restarted: devices and learner reach whichever node serves at
the moment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from edge_node.cache.base import Cache, Entry
from edge_node.changing import change_edge
from edge_node.node import EdgeNode
from midstep.clock import Clock
from midstep.diffusion.pace import MachinePace
from midstep.errors import EdgeUnreachable, MidstepError, PartDied, ScenarioError
from midstep.events.changes import EdgeChange
from midstep.telemetry.ticks import Tick
from midstep.wire.messages import Answer, Description, QualitySample, Request
from midstep.wire.messages_control import (
    Access,
    CacheSnapshot,
    CacheUpdate,
    CacheUpdateResult,
    Demand,
    SlotPlan,
)
from midstep.wire.messages_neighbours import Digest, LentOutput, NeighbourPort
from orchestrator.live.cell import EdgeStatus
from orchestrator.live.part_answers import edge_status

__all__ = ["LocalEdge"]

T = TypeVar("T")


class LocalEdge:
    """See EdgePart; as EdgePort, ControlPort and NeighbourPort the node behind it. `reopen` opens
    another node, which finds on its disk what the one before left there, in that folder."""

    def __init__(
        self,
        node: EdgeNode,
        clock: Clock,
        reopen: Callable[[Path | None], Coroutine[Any, Any, EdgeNode]],
    ) -> None:
        self.name = node.edge.name
        self._node: EdgeNode | None = node
        self._clock = clock
        self._reopen = reopen
        self._lasting = EdgeChange()  # what holds for the next node, too
        self._lost: str | None = None  # why no node will serve any more
        self._ticks: list[Tick] = []  # of nodes that are gone
        self._before: MachinePace | None = None  # of nodes that are gone
        self._neighbours: Mapping[str, NeighbourPort] = {}
        self._begun = False

    def meet(self, neighbours: Mapping[str, NeighbourPort]) -> None:
        """Let the node, and those that come after it, know these as neighbours."""
        self._neighbours = neighbours
        self._serving().meet(neighbours)

    # EdgePart

    async def start(self, epoch_s: float) -> None:
        self._begun = True
        self._serving().start(epoch_s)

    async def status(self) -> EdgeStatus:
        status = edge_status(self._serving()).since(self._before)
        ticks = self._ticks
        self._ticks = []
        return replace(status, ticks=[*ticks, *status.ticks])

    async def change(self, change: EdgeChange) -> int:
        if self._node is None and self._lost is None and not change.wipe:
            self._lasting = self._lasting.then(change)
            return 0
        left = change_edge(self._serving().edge, change)
        self._lasting = self._lasting.then(change)
        return left

    async def restart(self, warm: bool, down_s: float) -> int:
        """See EdgePart. A warm one that has a disk finds everything there; one that has none keeps
        what memory held."""
        node = self._serving()
        ends_s = self._clock.now() + down_s
        self._node = None
        store = node.edge.store
        outputs: list[Entry] = []
        folder = None
        if not warm:
            store.clear()
        elif (folder := store.leave_behind()) is None:
            outputs = _in_memory(store)
        if node.ticks is not None:
            self._ticks += node.ticks.drain()
        self._before = node.pace.since(self._before)
        await node.close()
        await self._clock.sleep_until(ends_s)
        try:
            fresh = await self._reopen(folder)
        except MidstepError as error:
            self._lost = f"{self.name} did not come back: {error}"
            raise PartDied(self._lost) from error
        change_edge(fresh.edge, self._lasting)
        for entry in outputs:
            fresh.edge.store.admit(entry)
        fresh.edge.refresh()
        fresh.meet(self._neighbours)
        if self._begun:
            fresh.follow_neighbours()
        self._node = fresh
        return fresh.edge.store.total

    async def kill(self, hard: bool) -> None:
        raise ScenarioError(f"{self.name} is no process of its own: set modes.wire: grpc")

    async def close(self) -> None:
        """End the node that serves, if any does."""
        node = self._node
        self._node = None
        if node is not None:
            await node.close()

    # EdgePort

    async def describe(self) -> Description:
        return await self._serving().edge.describe()

    async def obtain(self, request: Request, timeout_s: float) -> Answer:
        node = self._serving()
        return await self._from(node, node.edge.obtain(request, timeout_s))

    async def report(self, sample: QualitySample) -> None:
        await self._serving().edge.report(sample)

    # NeighbourPort

    async def digest(self, known: int) -> Digest:
        return await self._serving().edge.digest(known)

    async def lend(self, prompt_key: str, step: int) -> LentOutput | None:
        node = self._serving()
        return await self._from(node, node.edge.lend(prompt_key, step))

    # ControlPort

    async def watch(self) -> AsyncIterator[Access]:
        async for access in self._serving().edge.watch():
            yield access

    async def apply(self, update: CacheUpdate) -> CacheUpdateResult:
        return await self._serving().edge.apply(update)

    async def snapshot(self) -> CacheSnapshot:
        return await self._serving().edge.snapshot()

    async def gather(self, slot: int, expected: int, wait_s: float) -> tuple[Demand, ...]:
        node = self._serving()
        return await self._from(node, node.edge.gather(slot, expected, wait_s))

    async def serve(self, plan: SlotPlan) -> None:
        await self._serving().edge.serve(plan)

    def _serving(self) -> EdgeNode:
        """The node. Raises EdgeUnreachable while there is none, PartDied where none will come."""
        if self._lost is not None:
            raise PartDied(self._lost)
        if self._node is None:
            raise EdgeUnreachable(f"{self.name} does not answer: it restarts")
        return self._node

    async def _from(self, node: EdgeNode, answer: Coroutine[Any, Any, T]) -> T:
        """A node's answer. Raises EdgeUnreachable where it has gone meanwhile."""
        try:
            result = await answer
        except (asyncio.CancelledError, MidstepError) as error:
            task = asyncio.current_task()
            if node is self._node or (task is not None and task.cancelling()):
                raise
            raise self._gone() from error
        if node is not self._node:
            raise self._gone()
        return result

    def _gone(self) -> EdgeUnreachable:
        return EdgeUnreachable(f"{self.name} restarted before it had answered")


def _in_memory(store: Cache) -> list[Entry]:
    """What a store holds in memory, in the order of admission."""
    hits = [store.lookup(output.prompt_key, output.step) for output in store.snapshot()]
    return [hit.entry for hit in hits if hit is not None]
