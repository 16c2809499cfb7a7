"""Checks of reused pictures in a host's idle time: each made again without reuse, compared, and
reported to the edge."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TypeVar

from midstep.diffusion.denoise import Picture
from midstep.diffusion.engine import Engine
from midstep.errors import MidstepError
from midstep.reuse.classes import own_part
from midstep.reuse.limits import VARIATION, class_quality
from midstep.reuse.meter import Measured, Meter
from midstep.telemetry.record import RequestRow
from midstep.telemetry.writers import UserMetrics
from midstep.wire.messages import EdgePort, QualitySample
from user_agent.finished import Finished
from user_agent.pictures import WholePicture, pixels

__all__ = ["PENDING", "TIME_SHARE", "Checker"]

T = TypeVar("T")

PENDING = 64  # pictures that wait for idle time; the oldest are given up
TIME_SHARE = 0.25  # of a processor's time: the machine may have an edge to run, too
FADE = 0.9  # of the longest call, with each call that was shorter


class Checker:
    """Computes one step at a time, for TIME_SHARE of the time, and none while the engine has
    anything else to do or a frame is due before the step would end: `arrival_s` says when the next
    one is. `rows`: the rows of checked requests, with their quality, until somebody takes them.

    A variation has no picture without reuse; it is judged alone.
    """

    def __init__(
        self,
        engine: Engine,
        edge: EdgePort,
        meter: Meter,
        arrival_s: Callable[[], float],
        step_s: float,
        metrics: UserMetrics,
    ) -> None:
        self.rows: list[RequestRow] = []
        self._engine = engine
        self._clock = engine.clock
        self._edge = edge
        self._meter = meter
        self._arrival_s = arrival_s
        self._longest_s = step_s
        self._free_s = 0.0  # until then others have the processor
        self._metrics = metrics
        self._pending: deque[Finished] = deque(maxlen=PENDING)
        self._task: asyncio.Task[None] | None = None
        self._thread: ThreadPoolExecutor | None = None
        if not self._clock.virtual:
            self._thread = ThreadPoolExecutor(1, "checks", initializer=_yield_to_others)

    def add(self, finished: Finished) -> None:
        """Check a picture in idle time, where its answer asked for that and it can be measured."""
        row = finished.row
        check = finished.check
        if check is None or finished.picture is None or row.result != "done":
            return
        varied = row.variation_seed is not None
        if varied and own_part(check.kind) != VARIATION:
            return  # it is unlike by intent, and its class has pictures that are not
        quality = check.quality
        metric, _ = class_quality(own_part(check.kind), (quality.metric, quality.floor))
        if not self._meter.measures(metric, row.core, row.prompt):
            return
        self._pending.append(replace(finished, frame=None))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._work(), name="checks")

    async def close(self) -> None:
        """Give up what still waits."""
        self._pending.clear()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._thread is not None:
            self._thread.shutdown(wait=False, cancel_futures=True)

    async def _work(self) -> None:
        while self._pending:
            # the latest: the others may be from before the edge lowered its limits
            finished = self._pending.pop()
            with contextlib.suppress(
                MidstepError
            ):  # an edge that is gone, or an engine: it is said
                await self._check(finished)

    async def _check(self, finished: Finished) -> None:
        row = finished.row
        check = finished.check
        assert check is not None and finished.picture is not None
        picture = pixels(finished.picture)
        reference = None if row.variation_seed is not None else await self._without_reuse(row)

        def measure() -> Measured:
            return self._meter.measure(row.core, row.prompt, picture, reference)

        began = self._clock.now()
        if self._thread is None:
            measured = measure()
        else:
            measured = await asyncio.get_running_loop().run_in_executor(self._thread, measure)
        self._free_from(began)
        self._metrics.checked(check.kind, measured.psnr_db, measured.ssim)
        quality = check.quality
        wanted = class_quality(own_part(check.kind), (quality.metric, quality.floor))
        good = measured.good(*wanted)
        self.rows.append(
            replace(
                row,
                psnr_db=measured.psnr_db,
                ssim=measured.ssim,
                fidelity=measured.fidelity,
                quality_kept=None if good is None else float(good),
            )
        )
        if good is None:
            return
        edge = finished.port or self._edge
        await edge.report(
            QualitySample(
                request_id=row.request_id,
                kind=check.kind,
                step=check.step,
                quality=quality,
                good=good,
            )
        )

    async def _without_reuse(self, row: RequestRow) -> Picture:
        """The request's picture from noise, with its own prompt in every step."""
        denoiser = self._engine.denoiser
        assert row.seed is not None
        job = WholePicture(
            denoiser=denoiser, prompt=row.prompt, seed=row.seed, negative=row.negative or ""
        )
        trajectory = await self._in_idle_time(job.begin)
        steps = trajectory.until
        while trajectory.step < steps:
            trajectory.until = trajectory.step + 1  # some denoisers run to there in one call
            await self._in_idle_time(lambda: denoiser.advance([trajectory]))
        return await self._in_idle_time(lambda: job.finish(trajectory))

    async def _in_idle_time(self, call: Callable[[], T]) -> T:
        """Call where the engine computes, as soon as nobody else needs it meanwhile."""
        while True:
            await self._clock.sleep_until(self._free_s)
            await self._engine.rested()
            arrival_s = self._arrival_s()
            if arrival_s - self._clock.now() >= self._longest_s:
                break
            await self._clock.sleep_until(arrival_s)
            await asyncio.sleep(0)  # its device has its turn, and its job is in the engine
        began = self._clock.now()
        result = await self._engine.compute(call)
        self._longest_s = max(FADE * self._longest_s, self._clock.now() - began)
        self._free_from(began)
        return result

    def _free_from(self, began_s: float) -> None:
        """Leave the processor to others after work that began then and has ended now."""
        now_s = self._clock.now()
        self._free_s = now_s + (1 / TIME_SHARE - 1) * (now_s - began_s)


def _yield_to_others() -> None:
    """Give this thread the lowest priority, where threads have one of their own (Linux)."""
    with contextlib.suppress(AttributeError, OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)
