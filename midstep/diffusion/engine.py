"""Step-level batching: every request in flight advances by one denoising step a tick, each at its
own timestep.

Requests join and leave between ticks. Edge and device host run the same engine: the edge from noise
to the split step, the host from a frame to the picture. Where a denoiser cannot batch, its
trajectories run one at a time, each to its end, through the same interface.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from midstep.clock import Clock
from midstep.diffusion.denoise import Denoiser, Trajectory
from midstep.diffusion.profile import StepProfile
from midstep.errors import QueueFull

T = TypeVar("T")


@dataclass(frozen=True)
class Outcome(Generic[T]):
    """What a job came to: its value, and scenario seconds in the queue and from the first tick to
    the end."""

    value: T
    queue_s: float
    busy_s: float


@dataclass
class _Job:
    open: Callable[[], Trajectory]
    close: Callable[[Trajectory], Any]
    decodes: bool
    future: asyncio.Future[Any]
    queued_at: float
    started_at: float = 0.0
    trajectory: Trajectory | None = None
    value: Any = None
    error: BaseException | None = None


@dataclass
class EngineStats:
    """Callbacks for whoever measures: a tick's batch size, its denoiser seconds, its whole
    seconds."""

    on_tick: Callable[[int, float, float], None] = field(default=lambda batch, step_s, tick_s: None)


class Engine:
    """Owns the running batch of one denoiser. `submit` from the event loop; `run` is the engine's
    task.

    `executor` takes the computing off the event loop; None computes inline (virtual time).
    `profile` makes a tick last the profiled time instead of the measured one (paced, virtual).
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
        self._profile = profile
        self._stats = stats or EngineStats()
        self._queue: deque[_Job] = deque()
        self._active: list[_Job] = []
        self._wake = asyncio.Event()

    @property
    def queue_depth(self) -> int:
        """Jobs that wait for their first tick."""
        return len(self._queue)

    @property
    def in_flight(self) -> int:
        """Jobs in the running batch."""
        return len(self._active)

    async def submit(
        self,
        open: Callable[[], Trajectory],
        close: Callable[[Trajectory], T],
        *,
        decodes: bool = False,
    ) -> Outcome[T]:
        """Run a trajectory from `open()` to its `until`, then `close` it; both run where the
        denoiser computes.

        `decodes` says that `close` makes a picture, so that a profiled tick is charged for it.

        Raises QueueFull at once where `queue_limit` jobs wait, and whatever `open`, `close` or the
        denoiser raise. A cancelled caller's job leaves the batch at the next tick.
        """
        if len(self._queue) >= self.queue_limit:
            raise QueueFull(
                f"the queue is full: {len(self._queue)} requests wait, the limit is "
                f"{self.queue_limit}"
            )
        job = _Job(
            open, close, decodes, asyncio.get_running_loop().create_future(), self.clock.now()
        )
        self._queue.append(job)
        self._wake.set()
        outcome: Outcome[T] = await job.future
        return outcome

    async def run(self) -> None:
        """Tick for ever; cancel to stop. Jobs still in flight are then cancelled."""
        try:
            while True:
                if not self._active and not self._queue:
                    self._wake.clear()
                    await self._wake.wait()
                await self._tick()
        # not a job's own failure: nothing can be computed any more, and all should know
        except Exception as error:
            for job in self._jobs():
                job.future.set_exception(error)
            raise
        finally:
            for job in self._jobs():
                job.future.cancel()

    def _jobs(self) -> list[_Job]:
        return [job for job in (*self._active, *self._queue) if not job.future.done()]

    async def _tick(self) -> None:
        self._active = [job for job in self._active if not job.future.done()]
        start = self.clock.now()
        room = self.max_batch if self.denoiser.batched else 1
        entering: list[_Job] = []
        while self._queue and len(self._active) + len(entering) < room:
            job = self._queue.popleft()
            if not job.future.done():
                job.started_at = start
                entering.append(job)
        batch = self._active + entering
        if not batch:
            return
        self._active = batch
        if self._executor is None:
            measured = self._compute(entering, batch)
        else:
            measured = await asyncio.get_running_loop().run_in_executor(
                self._executor, self._compute, entering, batch
            )
        if self._profile is not None:
            measured = self._profiled(entering, batch)
            await self.clock.sleep_until(start + measured)
        end = self.clock.now()
        self._active = [job for job in batch if not self._settle(job, end)]
        self._stats.on_tick(len(batch), measured, end - start)

    def _compute(self, entering: list[_Job], batch: list[_Job]) -> float:
        """One tick's work, in the computing thread; seconds spent in the denoiser's advance."""
        for job in entering:
            with _kept(job):
                job.trajectory = job.open()
        moving = [
            job.trajectory
            for job in batch
            if job.trajectory is not None and _unfinished(job.trajectory)
        ]
        began = self.clock.now() if self._executor is not None else 0.0
        if moving:
            try:
                self.denoiser.advance(moving)
            except Exception as error:
                for job in batch:
                    job.error = job.error or error
        spent = self.clock.now() - began if self._executor is not None else 0.0
        for job in batch:
            if job.error is None and job.trajectory is not None and not _unfinished(job.trajectory):
                with _kept(job):
                    job.value = job.close(job.trajectory)
        return spent

    def _profiled(self, entering: list[_Job], batch: list[_Job]) -> float:
        assert self._profile is not None
        done = [
            job for job in batch if job.trajectory is not None and not _unfinished(job.trajectory)
        ]
        decoding = sum(job.decodes for job in done)
        return (
            self._profile.step(len(batch))
            + self._profile.encode_s * len(entering)
            + self._profile.decode_s * decoding
        )

    def _settle(self, job: _Job, end: float) -> bool:
        """Hand a finished or failed job back; whether it has left the batch."""
        if job.error is None and job.trajectory is not None and _unfinished(job.trajectory):
            return job.future.done()
        if not job.future.done():
            if job.error is not None:
                job.future.set_exception(job.error)
            else:
                job.future.set_result(
                    Outcome(job.value, job.started_at - job.queued_at, end - job.started_at)
                )
        return True


def _unfinished(trajectory: Trajectory) -> bool:
    return trajectory.step < trajectory.until


@contextlib.contextmanager
def _kept(job: _Job) -> Any:
    """A job's own failure is the job's alone: its neighbours in the batch go on."""
    try:
        yield
    except Exception as error:
        job.error = error
