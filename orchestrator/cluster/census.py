"""Census of a Ray cluster: its nodes and resources, counted in a thread that may hang."""

from __future__ import annotations

import asyncio
import contextlib
import threading

import ray

from midstep.errors import PartDied
from orchestrator.live.cell import Census

__all__ = ["take_census"]


async def take_census() -> Census:
    """Count the cluster's nodes and resources. Raises PartDied where its head is gone.

    Ray asks its head by a call that blocks, for ever where the head is gone: it is made in a thread
    of its own, which nobody waits for at the run's end.
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[Census] = loop.create_future()
    threading.Thread(target=_count, args=(loop, answer), name="census", daemon=True).start()
    return await answer


def _count(loop: asyncio.AbstractEventLoop, answer: asyncio.Future[Census]) -> None:
    result: Census | PartDied
    try:
        nodes = sum(node["Alive"] for node in ray.nodes())
        result = Census(nodes, ray.cluster_resources(), ray.available_resources())
    except Exception as error:  # whatever Ray raises without its head
        result = PartDied(f"the cluster's head does not answer: {error!r}")
    with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
        loop.call_soon_threadsafe(_answer, answer, result)


def _answer(answer: asyncio.Future[Census], result: Census | PartDied) -> None:
    if answer.done():  # nobody waits any more
        return
    if isinstance(result, Census):
        answer.set_result(result)
    else:
        answer.set_exception(result)
