"""Sampled pictures made again without reuse, to compare, when a run has ended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from midstep.errors import PartDied
from midstep.telemetry.record import Gallery
from orchestrator.live.cell import HostPart

__all__ = ["compare_pictures"]


async def compare_pictures(
    hosts: Sequence[HostPart], stopping: asyncio.Event, died: Callable[[str], None]
) -> list[Gallery]:
    """Every host's pictures with their references; none where `stopping` is set first. `died`
    is called with a line where a host died meanwhile; what else a host raises is raised."""
    galleries: asyncio.Future[list[list[Gallery] | BaseException]] = asyncio.gather(
        *(host.gallery() for host in hosts), return_exceptions=True
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
