"""The life of a request on the edge: identity, lookup, engine or a ride along, staging, answer."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass

from edge_node.cache.staging import Staging
from edge_node.cache.store import Entry, Store
from midstep.clock import Clock
from midstep.diffusion.denoise import Trajectory
from midstep.diffusion.engine import Engine, Outcome
from midstep.diffusion.profile import StepProfile
from midstep.errors import FrameError, PromptError, ScenarioError
from midstep.telemetry.metrics import EdgeMetrics
from midstep.wire.identity import OutputKey, check_prompt, shared_seed
from midstep.wire.messages import (
    Access,
    Answer,
    CachedOutput,
    CacheSnapshot,
    CacheUpdate,
    CacheUpdateResult,
    Description,
    Request,
    Reuse,
)

BACKLOG = 100_000  # accesses kept for a slow watcher; beyond, the oldest are lost to it


@dataclass
class _Making:
    """An output that is being made, and how many wait for it."""

    task: asyncio.Task[Outcome[Entry]]
    waiting: int = 0


class Edge:
    """The edge server without its wire: implements EdgePort and ControlPort in-process."""

    def __init__(
        self,
        name: str,
        engine: Engine,
        store: Store,
        staging: Staging,
        clock: Clock,
        *,
        split_step: int,
        seed: int,
        profile: StepProfile,
        metrics: EdgeMetrics | None = None,
    ) -> None:
        self.name = name
        self.engine = engine
        self.store = store
        self.staging = staging
        self.clock = clock
        self.split_step = split_step
        self.seed = seed
        self.profile = profile
        self.identity = engine.denoiser.identity
        self._pipeline = self.identity.digest()
        self._making: dict[str, _Making] = {}
        self._watchers: list[asyncio.Queue[Access]] = []
        self.metrics = metrics or EdgeMetrics(name)
        self.metrics.capacity(store.capacity)

    async def describe(self) -> Description:
        """What this edge serves."""
        step = self.profile.step(1)
        decode = self.profile.decode_s
        return Description(
            self.name, self.identity, self.split_step, self.seed, step, decode, os.getpid()
        )

    async def obtain(self, request: Request, timeout_s: float) -> Answer:
        """The output of request.prompt. Raises as EdgePort says; past `timeout_s` the work is given
        up."""
        if (why := check_prompt(request.prompt)) is not None:
            raise PromptError(why)
        if request.pipeline != self._pipeline:
            raise FrameError(
                f"{self.name} serves pipeline {self._pipeline[:12]} ({self.identity.model}), "
                f"the device continues {request.pipeline[:12]}: start both with the same model and "
                f"steps"
            )
        if not 1 <= request.steps <= self.identity.steps:
            raise FrameError(f"{request.steps} edge steps of {self.identity.steps} were asked for")
        arrived = self.clock.now()
        private = request.private_seed is not None
        seed = (
            shared_seed(request.prompt, self.seed)
            if request.private_seed is None
            else request.private_seed
        )
        key = OutputKey(self._pipeline, request.prompt, seed, private).digest()
        self.metrics.lookup()
        held = self.store.get(key)
        if held is not None and held.frame.step <= self.identity.steps:
            reuse: Reuse = "final" if held.frame.step == self.identity.steps else "exact"
            self.metrics.hit(reuse)
            return self._answer(request, held, reuse, 0, arrived, 0.0, seed)
        async with asyncio.timeout(timeout_s):
            outcome, reuse = await self._made(key, request, seed, private)
        queue_s = min(outcome.queue_s, self.clock.now() - arrived) if reuse == "computed" else 0.0
        steps = outcome.value.frame.step if reuse == "computed" else 0
        return self._answer(request, outcome.value, reuse, steps, arrived, queue_s, seed)

    async def _made(
        self, key: str, request: Request, seed: int, private: bool
    ) -> tuple[Outcome[Entry], Reuse]:
        """Compute, or share what is being computed; the last to give up takes the work with it."""
        making = self._making.get(key)
        reuse = "shared"
        if making is None:
            task = asyncio.create_task(self._compute(key, request, seed, private))
            making = _Making(task)
            reuse = "computed"
            self._making[key] = making
            task.add_done_callback(lambda _: self._forget(key, task))
        making.waiting += 1
        try:
            outcome = await asyncio.shield(making.task)
        finally:
            making.waiting -= 1
            if not making.waiting and not making.task.done():
                self._forget(key, making.task)  # at once: nobody may join what is being given up
                making.task.cancel()
        return outcome, "shared" if reuse == "shared" else "computed"

    def _forget(self, key: str, task: asyncio.Task[Outcome[Entry]]) -> None:
        making = self._making.get(key)
        if making is not None and making.task is task:
            del self._making[key]

    async def _compute(
        self, key: str, request: Request, seed: int, private: bool
    ) -> Outcome[Entry]:
        denoiser = self.engine.denoiser

        def freeze(trajectory: Trajectory) -> Entry:
            # the tokenizer is asked here, in the computing thread: it cannot be shared between
            # threads
            return Entry(
                request.prompt, denoiser.freeze(trajectory, key), denoiser.truncated(request.prompt)
            )

        outcome = await self.engine.submit(
            lambda: denoiser.begin(request.prompt, seed, request.steps), freeze
        )
        if not private:
            self.staging.put(outcome.value)
        return outcome

    def _answer(
        self,
        request: Request,
        entry: Entry,
        reuse: Reuse,
        edge_steps: int,
        arrived: float,
        queue_s: float,
        seed: int,
    ) -> Answer:
        frame = entry.frame
        now = self.clock.now()
        edge_s = max(0.0, now - arrived - queue_s)
        if request.private_seed is None:
            self._tell(
                Access(
                    request.request_id,
                    frame.prompt_key,
                    request.prompt,
                    frame.step,
                    frame.nbytes,
                    reuse,
                    now,
                    queue_s + edge_s,
                )
            )
        self.refresh()
        return Answer(
            frame,
            reuse,
            1.0 if reuse != "computed" else 0.0,
            edge_steps,
            frame.step - edge_steps,
            queue_s,
            edge_s,
            seed,
            entry.truncated,
        )

    def _tell(self, access: Access) -> None:
        for queue in self._watchers:
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(access)

    async def watch(self) -> AsyncIterator[Access]:
        """Accesses from now on, as they end; until the caller closes it."""
        queue: asyncio.Queue[Access] = asyncio.Queue(BACKLOG)
        self._watchers.append(queue)
        try:
            while True:
                yield await queue.get()
        finally:
            self._watchers.remove(queue)

    async def apply(self, update: CacheUpdate) -> CacheUpdateResult:
        """Evict, then admit from staging. What is not there, or does not fit, is counted, never
        forced."""
        evicted = sum(self.store.evict(key) for key in update.evict)
        admitted = 0
        for key, step in update.admit:
            entry = self.staging.peek(key)
            if entry is not None and entry.frame.step == step and self.store.admit(entry):
                self.staging.take(key)
                admitted += 1
        self.metrics.evicted(evicted)
        self.refresh()
        return CacheUpdateResult(admitted, evicted, len(update.admit) - admitted)

    async def snapshot(self) -> CacheSnapshot:
        """What the store holds and what staging has."""
        return CacheSnapshot(
            _held(self.store.entries()),
            _held(self.staging.entries()),
            self.store.capacity,
            self.store.nbytes,
            self.staging.nbytes,
        )

    def refresh(self) -> None:
        """Bring the gauges up to date."""
        self.metrics.state(
            len(self.store), self.store.nbytes, self.staging.nbytes, self.engine.queue_depth
        )

    def check_capacity(self, frame_bytes: int) -> None:
        """Raise ScenarioError where store or staging could not hold even one output."""
        for name, most in (("capacity", self.store.capacity), ("staging", self.staging.capacity)):
            if frame_bytes > most:
                raise ScenarioError(
                    f"edges.N.{name} of {self.name}: {most} bytes cannot hold one output of this "
                    f"model "
                    f"({frame_bytes} bytes); give at least {frame_bytes}"
                )


def _held(entries: list[Entry]) -> tuple[CachedOutput, ...]:
    return tuple(
        CachedOutput(e.frame.prompt_key, e.prompt, e.frame.step, e.frame.nbytes) for e in entries
    )
