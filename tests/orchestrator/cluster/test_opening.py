"""The start of a run's parts, interrupted."""

import asyncio
import contextlib
import gc
from typing import Any

from midstep.clock import run_virtual
from orchestrator.cluster.ray_cluster import opening


def test_an_interrupted_start_complains_of_nothing() -> None:
    complaints: list[dict[str, Any]] = []

    async def start() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, about: complaints.append(about))
        parts = asyncio.ensure_future(
            opening(asyncio.gather(asyncio.sleep(100), asyncio.sleep(100)), "learner and hosts")
        )
        await asyncio.sleep(1)
        parts.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await parts
        del parts
        gc.collect()

    run_virtual(start())
    assert not complaints
