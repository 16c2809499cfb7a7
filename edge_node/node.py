"""An edge node built from a scenario: denoiser and computing thread, engine and its task, store and
staging."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from edge_node.cache.staging import Staging
from edge_node.cache.store import Store
from edge_node.cut import CUT_RULES
from edge_node.edge import Edge
from midstep.clock import Clock
from midstep.diffusion.denoise import Denoiser
from midstep.diffusion.engine import Engine, EngineStats
from midstep.diffusion.factory import measure, named_profile, open_computing, output_bytes
from midstep.diffusion.profile import StepProfile
from midstep.scenario import Scenario
from midstep.telemetry.metrics import on_tick
from midstep.telemetry.ticks import TickLog

__all__ = ["EdgeNode"]


class EdgeNode:
    """Owns the engine's task and its computing thread. Build with `open`, end with `close`.

    `frame_bytes` is an output's size as the store counts it, `ticks` the engine's where the
    scenario records them.
    """

    def __init__(
        self,
        edge: Edge,
        engine: Engine,
        thread: ThreadPoolExecutor | None,
        frame_bytes: int,
        ticks: TickLog | None = None,
    ) -> None:
        self.edge = edge
        self.ticks = ticks
        self._thread = thread
        self.frame_bytes = frame_bytes
        self._task = asyncio.create_task(engine.run(), name=f"engine-{edge.name}")

    @classmethod
    async def open(
        cls, scenario: Scenario, clock: Clock, *, split_step: int | None = None
    ) -> EdgeNode:
        """Load the model, warm up, measure the step time, check that the store can hold an output.

        `split_step` is the step at which the edge stops; None: the scenario's model.split_step.
        Raises ModelError, ScenarioError.
        """
        step = split_step or scenario.model.split_step
        denoiser, thread = await open_computing(scenario, scenario.edge.threads, clock)
        try:
            if thread is None:
                profile, frame_bytes = _prepare(scenario, denoiser, step)
            else:
                profile, frame_bytes = await asyncio.get_running_loop().run_in_executor(
                    thread, _prepare, scenario, denoiser, step
                )
            if denoiser.profile is None and not scenario.model.profile:
                profile = profile.scaled(clock.scale)
            on_ticks = on_tick(scenario.edge.name, "edge")
            ticks = TickLog(clock, on_ticks) if scenario.report.perfetto else None
            stats = EngineStats(on_ticks if ticks is None else ticks)
            edge = _edge(scenario, denoiser, clock, thread, profile, step, stats)
            edge.check_capacity(frame_bytes)
        except BaseException:
            if thread is not None:
                thread.shutdown(wait=False, cancel_futures=True)
            raise
        return cls(edge, edge.engine, thread, frame_bytes, ticks)

    async def close(self) -> None:
        """Stop ticking; what is in flight is cancelled."""
        self._task.cancel()
        # an engine's error has already been raised to the callers of `submit`
        await asyncio.gather(self._task, return_exceptions=True)
        if self._thread is not None:
            self._thread.shutdown(wait=False, cancel_futures=True)


def _edge(
    scenario: Scenario,
    denoiser: Denoiser,
    clock: Clock,
    thread: ThreadPoolExecutor | None,
    profile: StepProfile,
    step: int,
    stats: EngineStats,
) -> Edge:
    settings = scenario.edge
    engine = Engine(
        denoiser,
        clock,
        queue_limit=settings.queue_limit,
        max_batch=settings.max_batch,
        executor=thread,
        profile=profile if clock.virtual or denoiser.profile is not None else None,
        stats=stats,
    )
    return Edge(
        settings.name,
        engine,
        Store(settings.capacity),
        Staging(settings.staging),
        clock,
        rule=CUT_RULES["fixed"](step),
        split_step=step,
        seed=scenario.seed,
        profile=profile,
    )


def _prepare(scenario: Scenario, denoiser: Denoiser, step: int) -> tuple[StepProfile, int]:
    """The step profile, named or measured here, and an output's bytes at the split step."""
    profile = named_profile(scenario.model) if scenario.model.profile else measure(denoiser)
    return profile, output_bytes(denoiser, step)
