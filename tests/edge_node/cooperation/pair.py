"""Two paced edges in virtual time, of which the first has the second as its neighbour."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from edge_node.cooperation.backhaul import Backhaul
from edge_node.cooperation.neighbourhood import Neighbourhood
from edge_node.edge import Edge
from midstep.clock import VirtualClock, run_virtual
from midstep.scenario import Backhaul as Settings
from midstep.wire.messages_neighbours import Digest, LentOutput
from tests.edge_node.world import FRAME, T, ask, keep, make_edge


@dataclass
class Neighbour:
    """The second edge as the first one reaches it: what it was asked to lend, and what it is to
    answer instead."""

    edge: Edge
    asked: list[int] = field(default_factory=list)
    answer: Callable[[LentOutput | None], LentOutput | None] = lambda lent: lent

    async def digest(self, known: int) -> Digest:
        return await self.edge.digest(known)

    async def lend(self, prompt_key: str, step: int) -> LentOutput | None:
        self.asked.append(step)
        return self.answer(await self.edge.lend(prompt_key, step))


def with_pair(
    use: Callable[[Edge, Neighbour], Awaitable[T]],
    *,
    mbps: float = 100.0,
    latency_ms: float = 1.0,
    holds: tuple[int, ...] = (6,),
    **options: Any,
) -> T:
    """Run `use` with the two once the first has the neighbour's digest: it holds "a panda" at those
    steps."""

    async def world() -> T:
        clock = VirtualClock()
        neighbours = Neighbourhood(
            "edge-t",
            Backhaul(Settings(mbps=mbps, latency_ms=latency_ms), clock),
            clock,
            pipeline=make_edge(clock).identity.digest(),
            frame_bytes=FRAME,
            slot_seconds=1.0,
        )
        edge = make_edge(clock, neighbours=neighbours, **options)
        other = Neighbour(make_edge(clock, several=True, denoiser=options.get("denoiser")))
        tasks = [asyncio.create_task(one.engine.run()) for one in (edge, other.edge)]
        try:
            for step in holds:
                await keep(other.edge, await other.edge.obtain(ask(other.edge, limit=step), 60))
            neighbours.meet({"edge-u": other})
            neighbours.start(60.0)
            await asyncio.sleep(0.5)
            return await use(edge, other)
        finally:
            await neighbours.close()
            for task in tasks:
                task.cancel()

    return run_virtual(world())
