"""The instant at which a run's time begins, everywhere at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable

from midstep.clock import Clock
from midstep.errors import PartDied
from orchestrator.live.cell import Parts

__all__ = ["LEAD_S", "begin"]

LEAD_S = 0.3  # between telling everybody when the run starts and its start
BEGIN_S = 10.0  # wall seconds that a part has to answer when it is told so


async def begin(parts: Parts, clock: Clock) -> float:
    """Let the run's time begin in every part; the Unix time at which it does. Raises PartDied."""
    epoch = time.time() + (0.0 if clock.virtual else LEAD_S)
    clock.begin(epoch)
    starts = {cell.name: cell.edge.start(epoch) for cell in parts.cells}
    starts |= {host.name: host.start(epoch) for host in parts.hosts}
    await asyncio.gather(*(_in_time(name, start) for name, start in starts.items()))
    return epoch


async def _in_time(name: str, start: Awaitable[None]) -> None:
    """Let a part begin. Raises PartDied where it is silent, as a stopped process is."""
    try:
        await asyncio.wait_for(start, BEGIN_S)
    except TimeoutError as error:
        raise PartDied(f"{name} is silent as the run should begin") from error
