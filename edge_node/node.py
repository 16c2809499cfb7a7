"""An edge node put together from a scenario: denoiser, engine, store, staging, and the task that
ticks."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from edge_node.cache.staging import Staging
from edge_node.cache.store import Store
from edge_node.edge import Edge
from midstep.clock import Clock
from midstep.diffusion.denoise import Denoiser
from midstep.diffusion.engine import Engine, EngineStats
from midstep.diffusion.factory import compute_thread, measure, named_profile
from midstep.diffusion.profile import StepProfile
from midstep.scenario import Scenario
from midstep.telemetry.metrics import on_tick


class EdgeNode:
    """Owns the engine's task and its computing thread. Build with `open`, end with `close`.

    `frame_bytes` is an output's size as the store counts it.
    """

    def __init__(
        self, edge: Edge, engine: Engine, thread: ThreadPoolExecutor | None, frame_bytes: int
    ) -> None:
        self.edge = edge
        self._thread = thread
        self.frame_bytes = frame_bytes
        self._task = asyncio.create_task(engine.run(), name=f"engine-{edge.name}")

    @classmethod
    async def open(
        cls,
        scenario: Scenario,
        denoiser: Denoiser,
        clock: Clock,
        split_step: int,
        thread: ThreadPoolExecutor | None = None,
    ) -> EdgeNode:
        """Warm up, measure the step time, check that the store can hold an output. Raises
        ScenarioError.

        `thread` is the one in which the denoiser was opened, where it was opened in one.
        """
        settings = scenario.edge
        thread = None if clock.virtual else thread or compute_thread(scenario.model.device)
        loop = asyncio.get_running_loop()
        if thread is None:
            profile, frame_bytes = _prepare(scenario, denoiser, split_step)
        else:
            profile, frame_bytes = await loop.run_in_executor(
                thread, _prepare, scenario, denoiser, split_step
            )
        if denoiser.profile is None and not scenario.model.profile:
            profile = profile.scaled(clock.scale)
        paced = profile if clock.virtual or denoiser.profile is not None else None
        engine = Engine(
            denoiser,
            clock,
            queue_limit=settings.queue_limit,
            max_batch=settings.max_batch,
            executor=thread,
            profile=paced,
            stats=EngineStats(on_tick(settings.name, "edge")),
        )
        store = Store(settings.capacity)
        staging = Staging(settings.staging)
        edge = Edge(
            settings.name,
            engine,
            store,
            staging,
            clock,
            split_step=split_step,
            seed=scenario.seed,
            profile=profile,
        )
        edge.check_capacity(frame_bytes)
        return cls(edge, engine, thread, frame_bytes)

    async def close(self) -> None:
        """Stop ticking; what is in flight is cancelled."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)  # one that broke has told its jobs
        if self._thread is not None:
            self._thread.shutdown(wait=False, cancel_futures=True)


def _prepare(scenario: Scenario, denoiser: Denoiser, split_step: int) -> tuple[StepProfile, int]:
    """The step profile, named or measured here, and an output's bytes at the split step."""
    profile = named_profile(scenario.model) if scenario.model.profile else measure(denoiser)
    trajectory = denoiser.begin("a warm-up", 0, split_step)
    while trajectory.step < split_step:
        denoiser.advance([trajectory])
    return profile, denoiser.freeze(trajectory, "").nbytes
