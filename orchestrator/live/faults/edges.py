"""Edges that are changed, restart, or lose their learner for a while: the room of
`midstep.events.run.FaultyEdges`."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any, Literal, TypeVar

from midstep.errors import MidstepError, PartDied, ScenarioError
from midstep.events.changes import EdgeChange
from orchestrator.live.cell import Cell
from orchestrator.live.faults.room import Room, World

__all__ = ["Edges"]

T = TypeVar("T")
ANSWER_S = 10.0  # seconds of the event loop that a part has to carry out what an event says


class Edges(Room):
    """See FaultyEdges."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._restarts: dict[str, asyncio.Task[None]] = {}  # by edge

    def called(self, edge: str | None) -> str:
        names = [cell.name for cell in self._cells(edge)]
        return " and ".join(names) if len(names) < 3 else f"{len(names)} edges"

    def capacity(self, edge: str) -> int:
        return self.world.scenario.at(edge).edge.capacity

    async def change_edge(self, change: EdgeChange, edge: str | None = None) -> int:
        left = 0
        for cell in self._cells(edge):
            left += await _answered(cell.edge.change(change), cell.name)
            if change.wipe or change.capacity is not None:
                await self._refresh_learner(cell)
        return left

    async def restart_edge(
        self, edge: str | None, store: Literal["cold", "warm"], down_s: float
    ) -> str:
        cells = self._cells(edge)
        for cell in cells:
            if (task := self._restarts.get(cell.name)) is not None and not task.done():
                raise ScenarioError(f"{cell.name} restarts already")
        warm = store == "warm"
        for cell in cells:
            self.world.parts.restarted.add(cell.name)
            self._restarts[cell.name] = asyncio.create_task(
                self._restart(cell, warm, down_s), name=f"restart-{cell.name}"
            )
        if not warm:
            return "an empty store"
        forgets = self.world.scenario.modes.wire == "grpc" and any(
            self.world.scenario.at(cell.name).edge.disk is None for cell in cells
        )
        return "an empty store (warm needs edges.N.disk)" if forgets else "what it kept"

    async def pause_learner(self, edge: str | None, seconds: float) -> None:
        wall_s = seconds / self.world.clock.scale
        for cell in self._cells(edge):
            if cell.learner_is_paused:
                raise ScenarioError(f"the learner of {cell.name} pauses already")
            cell.learner_pause = asyncio.create_task(
                _paused(cell, wall_s), name=f"pause-{cell.name}"
            )

    async def close(self) -> None:
        tasks = [*self._restarts.values()]
        tasks += [c.learner_pause for c in self.world.parts.cells if c.learner_pause is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await super().close()

    def _cells(self, edge: str | None) -> list[Cell]:
        """The cells that live, of one edge or of all. Raises ScenarioError where there is none."""
        cells = [cell for cell in self.world.parts.alive if edge in (None, cell.name)]
        if not cells:
            raise ScenarioError(f"{edge or 'every edge'} is dead")
        return cells

    async def _restart(self, cell: Cell, warm: bool, down_s: float) -> None:
        began_s = self.world.clock.now()
        try:
            held = await cell.edge.restart(warm, down_s)
        except PartDied:
            return  # the slot's end says so
        except (MidstepError, TimeoutError) as error:
            self.world.announce(f"{cell.name} did not restart: {error or 'it is silent'}")
            return
        self.world.renew_targets()
        await self._refresh_learner(cell)
        took_s = self.world.clock.now() - began_s
        self.world.announce(f"{cell.name} serves again after {took_s:.1f} s, with {held} outputs")

    async def _refresh_learner(self, cell: Cell) -> None:
        """Let the learner look at its edge anew; one that is dead is followed by one that does."""
        with contextlib.suppress(MidstepError):
            await _answered(cell.learner.refresh(), cell.learner.name)


async def _paused(cell: Cell, wall_s: float) -> None:
    with contextlib.suppress(PartDied):
        await cell.learner.pause(wall_s)


async def _answered(answer: Coroutine[Any, Any, T], name: str) -> T:
    """A part's answer. Raises PartDied where it is silent."""
    try:
        return await asyncio.wait_for(answer, ANSWER_S)
    except TimeoutError as error:
        raise PartDied(f"{name} does not answer") from error
