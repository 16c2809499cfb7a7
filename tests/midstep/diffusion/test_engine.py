"""The engine in virtual time, with a paced denoiser: joining, leaving, bounds, failures."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from midstep.clock import VirtualClock, run_virtual
from midstep.diffusion.denoise import Trajectory
from midstep.diffusion.engine import Engine, EngineStats
from midstep.diffusion.paced import PacedDenoiser
from midstep.errors import PartDied, QueueFull
from midstep.wire.frame import Frame
from tests import paced


@dataclass(frozen=True)
class Steps:
    """From noise to `until`; its value is the step that it came to."""

    engine: Engine
    until: int

    def begin(self) -> Trajectory:
        return self.engine.denoiser.begin("p", 0, self.until)

    def finish(self, trajectory: Trajectory) -> int:
        return trajectory.step


class Broken(Steps):
    def begin(self) -> Trajectory:
        raise ValueError("no such prompt")


@dataclass(frozen=True)
class Resumed(Steps):
    """From a frame on."""

    frame: Frame

    def begin(self) -> Trajectory:
        return self.engine.denoiser.resume(self.frame, "p", self.until, None)


class OneAtATime(PacedDenoiser):
    """A family that does not batch: advance runs a trajectory to its end."""

    batched = False

    def advance(self, batch: Sequence[Trajectory]) -> None:
        for trajectory in batch:
            trajectory.step = trajectory.until


def open_engine(batches: list[int] | None = None, **options: Any) -> Engine:
    options = {"queue_limit": 100, "max_batch": 8, "profile": paced.PROFILE, **options}
    stats = EngineStats(
        lambda batch, step_s, tick_s: batches.append(batch) if batches is not None else None
    )
    return Engine(paced.denoiser(), VirtualClock(), stats=stats, **options)


def in_world(use: Callable[[Engine], Any], make: Callable[[], Engine]) -> Any:
    async def world() -> Any:
        running = make()
        task = asyncio.create_task(running.run())
        try:
            return await use(running)
        finally:
            task.cancel()

    return run_virtual(world())


def test_one_request_takes_its_steps_and_its_encoding() -> None:
    async def use(running: Engine) -> float:
        outcome = await running.submit(Steps(running, 6))
        assert outcome.value == 6 and outcome.queue_s == 0
        return running.clock.now()

    assert in_world(use, open_engine) == pytest.approx(6 * 0.010 + 0.002)


def test_requests_join_between_ticks_and_leave_when_they_are_done() -> None:
    batches: list[int] = []

    async def use(running: Engine) -> list[float]:
        first = asyncio.create_task(running.submit(Steps(running, 4)))
        await asyncio.sleep(0.015)  # within the second tick
        second = asyncio.create_task(running.submit(Steps(running, 4)))
        return [(await task).queue_s for task in (first, second)]

    queued = in_world(use, lambda: open_engine(batches))
    assert batches == [1, 1, 2, 2, 1, 1]
    assert queued[0] == 0 and queued[1] == pytest.approx(0.022 - 0.015)


def test_the_batch_is_bounded_and_the_rest_wait() -> None:
    batches: list[int] = []

    async def use(running: Engine) -> None:
        await asyncio.gather(*(running.submit(Steps(running, 2)) for _ in range(5)))

    in_world(use, lambda: open_engine(batches, max_batch=2))
    assert max(batches) == 2 and sum(batches) == 10


def test_a_full_queue_refuses_at_once_and_says_its_limit() -> None:
    async def use(running: Engine) -> list[Any]:
        jobs = [running.submit(Steps(running, 2)) for _ in range(4)]
        return list(await asyncio.gather(*jobs, return_exceptions=True))

    results = in_world(use, lambda: open_engine(queue_limit=3))
    assert isinstance(results[3], QueueFull) and "the limit is 3" in str(results[3])
    assert [result.value for result in results[:3]] == [2, 2, 2]


def test_a_cancelled_request_leaves_the_batch() -> None:
    batches: list[int] = []

    async def use(running: Engine) -> int:
        stays = asyncio.create_task(running.submit(Steps(running, 6)))
        goes = asyncio.create_task(running.submit(Steps(running, 10)))
        await asyncio.sleep(0.020)
        goes.cancel()
        return (await stays).value

    assert in_world(use, lambda: open_engine(batches)) == 6
    assert batches == [2, 2, 1, 1, 1, 1]


def test_one_requests_failure_is_its_own() -> None:
    async def use(running: Engine) -> list[Any]:
        jobs = [running.submit(Broken(running, 3)), running.submit(Steps(running, 3))]
        return list(await asyncio.gather(*jobs, return_exceptions=True))

    failed, done = in_world(use, open_engine)
    assert isinstance(failed, ValueError) and done.value == 3


def test_a_request_that_has_nothing_to_denoise_is_only_finished() -> None:
    """A finished picture (policy final) reaches the device at step S: one tick, no step of it."""
    batches: list[int] = []

    async def use(running: Engine) -> float:
        frame = running.denoiser.freeze(Trajectory(prompt="p", step=10, steps=10, until=10), "k")
        outcome = await running.submit(Resumed(running, 10, frame))
        assert outcome.value == 10
        return running.clock.now()

    assert in_world(use, lambda: open_engine(batches, profile=None)) == 0
    assert batches == [1]


def test_a_family_that_does_not_batch_is_charged_each_of_its_steps() -> None:
    async def use(running: Engine) -> tuple[float, float]:
        jobs = [running.submit(Steps(running, 6)) for _ in range(2)]
        first, second = await asyncio.gather(*jobs)
        return second.queue_s - first.queue_s, running.clock.now()

    def make() -> Engine:
        denoiser = OneAtATime(paced.identity(), paced.PROFILE)
        return Engine(denoiser, VirtualClock(), queue_limit=9, max_batch=8, profile=paced.PROFILE)

    waited, ended = in_world(use, make)
    assert waited == pytest.approx(6 * 0.010 + 0.002)
    assert ended == pytest.approx(2 * (6 * 0.010 + 0.002))


def test_an_engine_that_failed_refuses_new_requests_at_once() -> None:
    def fail(batch: int, step_s: float, tick_s: float) -> None:
        raise RuntimeError("no meter")

    async def world() -> tuple[float, str]:
        running = open_engine()
        running._stats = EngineStats(fail)
        task = asyncio.create_task(running.run())
        with pytest.raises(RuntimeError, match="no meter"):
            await asyncio.gather(running.submit(Steps(running, 3)), task)
        begun = running.clock.now()
        with pytest.raises(PartDied) as error:
            async with asyncio.timeout(60):
                await running.submit(Steps(running, 3))
        return running.clock.now() - begun, str(error.value)

    waited, text = run_virtual(world())
    assert waited == 0 and "no meter" in text and "\n" not in text


def test_an_engine_that_was_stopped_keeps_nobody_waiting() -> None:
    async def world() -> list[str]:
        running = open_engine()
        task = asyncio.create_task(running.run())
        before = asyncio.create_task(running.submit(Steps(running, 3)))
        await asyncio.sleep(0.015)
        task.cancel()
        await asyncio.wait([task, before])
        with pytest.raises(PartDied, match="it was stopped"):
            await running.submit(Steps(running, 3))
        return ["cancelled" if before.cancelled() else "answered"]

    assert run_virtual(world()) == ["cancelled"]
