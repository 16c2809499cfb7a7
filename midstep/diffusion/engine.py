"""Step-level batching: every request in flight advances by one denoising step a tick, each at its
own timestep.

Requests join and leave between ticks. Edge and device host run the same engine: the edge from noise
or a held output to the last cut of those who wait, the host from a frame to the picture. Where a
denoiser cannot batch, its trajectories run one at a time, each to its next stop, through the same
interface.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Any, TypeVar

from midstep.clock import Clock
from midstep.diffusion.denoise import Denoiser
from midstep.diffusion.job import Job, JobEntry, Outcome, StopsOnTheWay
from midstep.diffusion.pace import TickPace
from midstep.diffusion.profile import StepProfile
from midstep.diffusion.tick import account, compute
from midstep.errors import PartDied, QueueFull

__all__ = ["Engine", "EngineStats"]

T = TypeVar("T")


@dataclass
class EngineStats:
    """Callback after each tick: its batch size, its seconds in the denoiser, its whole seconds."""

    on_tick: Callable[[int, float, float], None] = field(default=lambda batch, step_s, tick_s: None)


class Engine:
    """Owns the running batch of one denoiser. `submit` from the event loop; `run` is the engine's
    task.

    `executor` takes the computing off the event loop; None computes inline (virtual time).
    `profile` makes a tick last the profiled time: instead of the denoiser's own where that has a
    profile or time is virtual, and at least that long where it computes (`pace` says by how much).
    """

    def __init__(
        self,
        denoiser: Denoiser,
        clock: Clock,
        *,
        queue_limit: int,
        max_batch: int,
        executor: Executor | None = None,
        profile: StepProfile | None = None,
        stats: EngineStats | None = None,
    ) -> None:
        self.denoiser = denoiser
        self.clock = clock
        self.queue_limit = queue_limit
        self.max_batch = max_batch
        self._executor = executor
        self._stopwatch = None if executor is None else clock
        computes = denoiser.profile is None
        self.pace = None if profile is None else TickPace(profile, clock, computes=computes)
        self._slowness = 1.0
        self._stats = stats or EngineStats()
        self._queue: deque[JobEntry] = deque()
        self._active: list[JobEntry] = []
        self.ticks = 0
        self.steps = 0  # of all trajectories, in ticks that have ended
        self.busy_s = 0.0  # in ticks
        self._wake = asyncio.Event()
        self._rest = asyncio.Event()  # nothing is in flight, and nothing waits
        self._failure: Exception | None = None  # what ended `run`

    @property
    def has_thread(self) -> bool:
        """Whether computing is off the event loop."""
        return self._executor is not None

    @property
    def slowness(self) -> float:
        """How many times as long as it would a tick takes, from the next one on."""
        return self._slowness

    @slowness.setter
    def slowness(self, factor: float) -> None:
        self._slowness = factor
        if self.pace is not None:
            self.pace.slowness = factor

    @property
    def queue_depth(self) -> int:
        """Jobs that wait for their first tick."""
        return len(self._queue)

    @property
    def in_flight(self) -> int:
        """Jobs in the running batch."""
        return len(self._active)

    async def submit(self, job: Job[T]) -> Outcome[T]:
        """Advance a job's trajectory to its `until`, then finish it.

        Raises what `enqueue` raises, and whatever the job or the denoiser raise. A cancelled
        caller's job leaves the queue at once, the batch at the next tick.
        """
        future = self.enqueue(job)
        try:
            return await future
        except asyncio.CancelledError:
            self.withdraw(future)
            raise

    def enqueue(self, job: Job[T]) -> asyncio.Future[Outcome[T]]:
        """`submit` without waiting; `withdraw` ends it. Raises QueueFull where `queue_limit` jobs
        wait, PartDied where the engine has failed."""
        if self._failure is not None:
            raise PartDied(f"the engine has ended: {self._failure!r}") from self._failure
        if len(self._queue) >= self.queue_limit:
            raise QueueFull(
                f"the queue is full: {len(self._queue)} requests wait, the limit is "
                f"{self.queue_limit}"
            )
        future: asyncio.Future[Outcome[T]] = asyncio.get_running_loop().create_future()
        anything: object = job
        entry = JobEntry(
            job=job,
            future=future,
            queued_at=self.clock.now(),
            on_the_way=anything if isinstance(anything, StopsOnTheWay) else None,
        )
        self._queue.append(entry)
        self._rest.clear()
        self._wake.set()
        return future

    def withdraw(self, future: asyncio.Future[Any]) -> None:
        """Cancel a job: it leaves the queue at once, so that it takes nobody's place there, the
        batch at the next tick."""
        future.cancel()
        for entry in self._queue:
            if entry.future is future:
                self._queue.remove(entry)
                return

    def aside(self, call: Callable[[], T], then: Callable[[asyncio.Future[T]], None]) -> None:
        """Call where the denoiser computes, between two ticks, before the next; then `then` in the
        event loop, at once where it computes there."""
        loop = asyncio.get_running_loop()
        if self._executor is not None:
            loop.run_in_executor(self._executor, call).add_done_callback(then)
            return
        outcome: asyncio.Future[T] = loop.create_future()
        try:
            outcome.set_result(call())
        except Exception as error:
            outcome.set_exception(error)
        then(outcome)

    async def compute(self, call: Callable[[], T]) -> T:
        """Call where the denoiser computes, between two ticks, before the next, and wait for it:
        for what needs no step, and so no place in the batch. Raises what it raises."""
        if self._executor is None:
            return call()
        return await asyncio.get_running_loop().run_in_executor(self._executor, call)

    async def rested(self) -> None:
        """Return while nothing is in flight and nothing waits: `compute` then delays no job that is
        there."""
        while not self._rest.is_set():  # a job may have come since it was set
            await self._rest.wait()

    async def run(self) -> None:
        """Tick for ever; cancel to stop. Jobs still in flight are then cancelled."""
        try:
            while True:
                if not self._active and not self._queue:
                    self._wake.clear()
                    self._rest.set()
                    await self._wake.wait()
                    if self.pace is not None:
                        self.pace.rest()
                await self._tick()
        except asyncio.CancelledError:
            self._failure = PartDied("it was stopped")
            raise
        # an error outside the jobs: the engine cannot go on
        except Exception as error:
            self._failure = error
            for entry in self._pending():
                entry.future.set_exception(error)
            raise
        finally:
            for entry in self._pending():
                entry.future.cancel()

    def _pending(self) -> list[JobEntry]:
        return [entry for entry in (*self._active, *self._queue) if not entry.future.done()]

    async def _tick(self) -> None:
        self._active = [entry for entry in self._active if not entry.future.done()]
        start = self.clock.now()
        room = self.max_batch if self.denoiser.batched else 1
        entering: list[JobEntry] = []
        while self._queue and len(self._active) + len(entering) < room:
            entry = self._queue.popleft()
            if not entry.future.done():
                entry.started_at = start
                entering.append(entry)
                if entry.on_the_way is not None:
                    entry.on_the_way.entered()
        batch = self._active + entering
        if not batch:
            return
        self._active = batch
        if self._executor is None:
            measured, advanced = compute(self.denoiser, self._stopwatch, entering, batch)
        else:
            measured, advanced = await asyncio.get_running_loop().run_in_executor(
                self._executor, compute, self.denoiser, self._stopwatch, entering, batch
            )
        if self.pace is not None:
            # calls of the network: one for the whole batch, or one for each step of a single job
            calls = 1 if self.denoiser.batched else advanced
            commanded = await self.pace.hold(start, len(batch), len(entering), calls)
            measured = measured if commanded is None else commanded
        elif self._slowness > 1:
            spent_s = self.clock.now() - start
            await self.clock.sleep_until(start + self._slowness * spent_s)
        end = self.clock.now()
        self.ticks += 1
        self.busy_s += end - start
        self._active, steps = account(batch)
        self.steps += steps
        self._stats.on_tick(len(batch), measured, end - start)
