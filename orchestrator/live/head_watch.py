"""A watch on the head of a run's cluster: without it nobody learns that a part has died, and Ray
ends this process after a while."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from midstep.errors import PartDied
from midstep.telemetry.writers import RunMetrics
from orchestrator.live.cell import Census
from orchestrator.live.observer import Observer

__all__ = ["CENSUS_EVERY_S", "CENSUS_S", "HeadWatch"]

CENSUS_EVERY_S = 5.0  # wall seconds between two looks at what the cluster has
CENSUS_S = 10.0  # wall seconds that the cluster's head has to answer


class HeadWatch:
    """Counts the cluster's nodes and resources now and then, in a task: no slot waits for its head.
    `gone` is set, and said, where that does not answer. Without a `census` there is no head."""

    def __init__(
        self,
        census: Callable[[], Coroutine[Any, Any, Census]] | None,
        metrics: RunMetrics,
        observer: Observer,
    ) -> None:
        self._census = census
        self._metrics = metrics
        self._observer = observer
        self._task: asyncio.Task[None] | None = None
        self.gone = asyncio.Event()

    def start(self) -> None:
        """Watch from now on."""
        if self._census is not None:
            self._task = asyncio.create_task(self._watch(self._census), name="head-watch")

    async def close(self) -> None:
        """Watch no more, after a last look: a short run ends before a dead head is noticed."""
        if self._task is None or self._census is None:
            return
        self._task.cancel()
        if self.gone.is_set():
            return
        try:
            await asyncio.wait_for(self._census(), CENSUS_S)
        except TimeoutError:
            self._observer.death("the cluster's head does not answer at the run's end")
        except PartDied as error:
            self._observer.death(f"{error}, at the run's end")

    async def _watch(self, census: Callable[[], Coroutine[Any, Any, Census]]) -> None:
        while True:
            try:
                size = await asyncio.wait_for(census(), CENSUS_S)
            except TimeoutError:
                why = f"the cluster's head has not answered for {CENSUS_S:g} s"
                break
            except PartDied as error:
                why = str(error)
                break
            self._metrics.cluster(size.nodes, size.total, size.free)
            await asyncio.sleep(CENSUS_EVERY_S)
        self._observer.death(f"{why}: the run ends; what was measured is kept")
        self.gone.set()
