"""What a run waits for is said, and said again while it lasts."""

import asyncio

from midstep.clock import run_virtual
from orchestrator.watch.waiting import Waiting


def test_a_long_wait_is_said_again_and_a_new_one_counts_from_its_own_beginning() -> None:
    said: list[tuple[float, str]] = []

    async def wait() -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        async with Waiting(lambda text: said.append((loop.time() - began, text))) as waiting:
            waiting.enter("starting Ray")
            await asyncio.sleep(25)
            waiting.enter("loading a model")
            await asyncio.sleep(12)
        await asyncio.sleep(100)

    run_virtual(wait())
    assert [(round(at), text) for at, text in said] == [
        (0, "starting Ray"),
        (10, "still starting Ray, for 10 s so far"),
        (20, "still starting Ray, for 20 s so far"),
        (25, "loading a model"),
        (35, "still loading a model, for 10 s so far"),
    ]
