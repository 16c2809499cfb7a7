"""A paced edge in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from edge_node.cache.staging import Staging
from edge_node.cache.store import Store
from edge_node.cooperation.neighbourhood import Neighbourhood
from edge_node.cut import CutRule, FixedStep, Situation
from edge_node.edge import Edge
from edge_node.gate import Gate
from midstep.clock import Clock, VirtualClock, run_virtual
from midstep.diffusion.denoise import Denoiser
from midstep.diffusion.engine import Engine
from midstep.wire.messages import Answer, Request
from midstep.wire.messages_control import Access, CacheUpdate
from tests import paced

T = TypeVar("T")
FRAME = 1000


class Wish(CutRule):
    """Cuts a request at the step that it names as its backlog."""

    def cut(self, situation: Situation) -> int:
        return int(situation.backlog_s)


def make_edge(
    clock: Clock,
    capacity: int = 3 * FRAME,
    *,
    staging: int = 10 * FRAME,
    several: bool = False,
    rule: CutRule | None = None,
    denoiser: Denoiser | None = None,
    coupled: bool = False,
    neighbours: Neighbourhood | None = None,
    **engine: Any,
) -> Edge:
    """An edge of ten steps, cut at six, whose paced frames have FRAME bytes; `coupled`: requests
    wait for the plans of slots of a second."""
    options = {"queue_limit": 100, "max_batch": 8, "profile": paced.PROFILE, **engine}
    running = Engine(denoiser or paced.denoiser(FRAME), clock, **options)
    return Edge(
        "edge-t",
        running,
        Store(capacity, several),
        Staging(staging),
        clock,
        rule=rule or FixedStep(6),
        split_step=6,
        seed=7,
        profile=paced.PROFILE,
        frame_bytes=FRAME,
        gate=Gate(clock, 1.0) if coupled else None,
        neighbours=neighbours,
    )


def with_edge(use: Callable[[Edge], Awaitable[T]], **options: Any) -> T:
    """Run `use` with a ticking edge, in virtual time."""

    async def world() -> T:
        edge = make_edge(VirtualClock(), **options)
        task = asyncio.create_task(edge.engine.run())
        try:
            return await use(edge)
        finally:
            task.cancel()

    return run_virtual(world())


def ask(edge: Edge, prompt: str = "a panda", request_id: str = "r", **changes: Any) -> Request:
    """A request for that prompt at six steps."""
    return Request(
        **{
            "request_id": request_id,
            "prompt": prompt,
            "pipeline": edge.identity.digest(),
            "limit": 6,
            **changes,
        }
    )


def wish(edge: Edge, cut: int, limit: int | None = None, **changes: Any) -> Request:
    """A request for an edge with the rule Wish, to be cut at `cut`."""
    return ask(edge, limit=limit or cut, backlog_s=float(cut), **changes)


@asynccontextmanager
async def accesses(edge: Edge) -> AsyncIterator[list[Access]]:
    """The accesses of what is asked for within."""
    seen: list[Access] = []

    async def watch() -> None:
        async for access in edge.watch():
            seen.append(access)

    watching = asyncio.create_task(watch())
    await asyncio.sleep(0)
    yield seen
    await asyncio.sleep(0.01)
    watching.cancel()


async def keep(edge: Edge, answer: Answer) -> None:
    """Let the store have an answer's output."""
    update = CacheUpdate(((answer.frame.prompt_key, answer.frame.step),))
    assert (await edge.apply(update)).admitted == 1
