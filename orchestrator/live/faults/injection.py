"""Lets a scenario's events happen while a run lives."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType

from midstep.errors import PartDied
from orchestrator.live.faults.choosing import Choosing
from orchestrator.live.faults.injector import Injector
from orchestrator.live.faults.room import World
from orchestrator.live.faults.signals import signals
from orchestrator.live.timeline import Happening, Timeline
from orchestrator.records.rows import SlotProgress

__all__ = ["Injection"]


class Injection:
    """Follows the timeline of the run from entering to leaving; `tell` gets what each event did."""

    def __init__(self, world: World, tell: Callable[[Happening], None]) -> None:
        scenario = world.scenario
        self._injector = Injector(world)
        self._choosing = Choosing(world, self._injector)
        self._timeline = Timeline(
            scenario.timeline,
            world.clock,
            self._injector,
            tell,
            seed=scenario.seed,
            ends_s=scenario.duration_s,
        )

    async def __aenter__(self) -> Injection:
        self._task = asyncio.create_task(self._timeline.follow(), name="timeline")
        return self

    def slot_ended(self, progress: SlotProgress) -> None:
        """Look at the events' conditions, and let users choose their edge."""
        self._choosing.slot_ended(progress)
        self._timeline.slot_ended(signals(progress))

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._task.cancel()
        await self._choosing.close()
        await self._injector.close()
        (failure,) = await asyncio.gather(self._task, return_exceptions=True)
        if error is None and isinstance(failure, ExceptionGroup):
            first = failure.exceptions[0]
            raise PartDied(f"an event failed: {type(first).__name__}: {first}") from first
