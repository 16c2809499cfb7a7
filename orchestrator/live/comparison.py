"""Sampled pictures made again without reuse, to compare, when a run has ended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from midstep.errors import PartDied
from midstep.telemetry.record import Gallery
from orchestrator.live.cell import HostPart

__all__ = ["compare_pictures"]

LOOK_S = 5.0  # wall seconds between two questions to a host that is at work
SILENCES = 2  # questions without an answer, until its pictures are not waited for


async def compare_pictures(
    hosts: Sequence[HostPart], stopping: asyncio.Event, died: Callable[[str], None]
) -> list[Gallery]:
    """Every host's pictures with their references; none where `stopping` is set first. `died`
    is called with a line where a host died meanwhile, or does not answer any more, as a stopped
    process does not; what else a host raises is raised."""
    galleries: asyncio.Future[list[list[Gallery] | BaseException]] = asyncio.gather(
        *(_gallery(host) for host in hosts), return_exceptions=True
    )
    stopped = asyncio.ensure_future(stopping.wait())
    waits: set[asyncio.Future[Any]] = {galleries, stopped}
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if not galleries.done():
        galleries.cancel()
        return []
    pictures: list[Gallery] = []
    for result in galleries.result():
        if isinstance(result, PartDied):
            died(f"{result} while pictures were compared")
        elif isinstance(result, BaseException):
            raise result
        else:
            pictures += result
    return pictures


async def _gallery(host: HostPart) -> list[Gallery]:
    """A host's pictures, for as long as it answers. Raises PartDied."""
    pictures = asyncio.ensure_future(host.gallery())
    silences = 0
    try:
        while not (await asyncio.wait({pictures}, timeout=LOOK_S))[0]:
            try:
                await asyncio.wait_for(host.in_flight(), LOOK_S)
                silences = 0
            except TimeoutError:
                silences += 1
            if silences == SILENCES:
                raise PartDied(f"{host.name} is silent")
        return pictures.result()
    finally:
        pictures.cancel()
