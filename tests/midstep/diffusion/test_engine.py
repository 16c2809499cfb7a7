"""The engine in virtual time, with a paced denoiser: joining, leaving, bounds, failures."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from midstep.clock import VirtualClock, run_virtual
from midstep.diffusion.denoise import Trajectory
from midstep.diffusion.engine import Engine, EngineStats
from midstep.errors import QueueFull
from tests import paced


def engine(batches: list[int] | None = None, **options: Any) -> Engine:
    options = {"queue_limit": 100, "max_batch": 8, "profile": paced.PROFILE, **options}
    stats = EngineStats(
        lambda batch, step_s, tick_s: batches.append(batch) if batches is not None else None
    )
    return Engine(paced.denoiser(), VirtualClock(), stats=stats, **options)


def in_world(use: Callable[[Engine], Any], made: Callable[[], Engine]) -> Any:
    async def world() -> Any:
        running = made()
        task = asyncio.create_task(running.run())
        try:
            return await use(running)
        finally:
            task.cancel()

    return run_virtual(world())


def begin(running: Engine, until: int) -> Callable[[], Trajectory]:
    return lambda: running.denoiser.begin("p", 0, until)


def test_one_request_takes_its_steps_and_its_encoding() -> None:
    async def use(running: Engine) -> float:
        outcome = await running.submit(begin(running, 6), lambda t: t.step)
        assert outcome.value == 6 and outcome.queue_s == 0
        return outcome.busy_s

    assert in_world(use, engine) == pytest.approx(6 * 0.010 + 0.002)


def test_requests_join_between_ticks_and_leave_when_they_are_done() -> None:
    batches: list[int] = []

    async def use(running: Engine) -> list[float]:
        first = asyncio.create_task(running.submit(begin(running, 4), lambda t: t.step))
        await asyncio.sleep(0.015)  # within the second tick
        second = asyncio.create_task(running.submit(begin(running, 4), lambda t: t.step))
        return [(await task).queue_s for task in (first, second)]

    queued = in_world(use, lambda: engine(batches))
    assert batches == [1, 1, 2, 2, 1, 1]
    assert queued[0] == 0 and queued[1] == pytest.approx(0.022 - 0.015)


def test_the_batch_is_bounded_and_the_rest_wait() -> None:
    batches: list[int] = []

    async def use(running: Engine) -> None:
        jobs = [running.submit(begin(running, 2), lambda t: t.step) for _ in range(5)]
        await asyncio.gather(*jobs)

    in_world(use, lambda: engine(batches, max_batch=2))
    assert max(batches) == 2 and sum(batches) == 10


def test_a_full_queue_refuses_at_once_and_says_its_limit() -> None:
    async def use(running: Engine) -> list[Any]:
        jobs = [running.submit(begin(running, 2), lambda t: t.step) for _ in range(4)]
        return list(await asyncio.gather(*jobs, return_exceptions=True))

    results = in_world(use, lambda: engine(queue_limit=3))
    assert isinstance(results[3], QueueFull) and "the limit is 3" in str(results[3])
    assert [r.value for r in results[:3]] == [2, 2, 2]


def test_a_cancelled_request_leaves_the_batch() -> None:
    batches: list[int] = []

    async def use(running: Engine) -> int:
        stays = asyncio.create_task(running.submit(begin(running, 6), lambda t: t.step))
        goes = asyncio.create_task(running.submit(begin(running, 10), lambda t: t.step))
        await asyncio.sleep(0.020)
        goes.cancel()
        return (await stays).value

    assert in_world(use, lambda: engine(batches)) == 6
    assert batches == [2, 2, 1, 1, 1, 1]


def test_one_requests_failure_is_its_own() -> None:
    def broken() -> Trajectory:
        raise ValueError("no such prompt")

    async def use(running: Engine) -> list[Any]:
        jobs = [
            running.submit(broken, lambda t: t.step),
            running.submit(begin(running, 3), lambda t: t.step),
        ]
        return list(await asyncio.gather(*jobs, return_exceptions=True))

    failed, done = in_world(use, engine)
    assert isinstance(failed, ValueError) and done.value == 3


def test_a_request_that_has_nothing_to_denoise_is_only_closed() -> None:
    """A finished picture (policy final) reaches the device at step S: it is decoded, not
    denoised."""

    async def use(running: Engine) -> float:
        frame = running.denoiser.freeze(Trajectory("p", 10, 10, 10), "k")
        outcome = await running.submit(
            lambda: running.denoiser.resume(frame, "p", 10, None), lambda t: t.step
        )
        assert outcome.value == 10
        return outcome.busy_s

    in_world(use, engine)
