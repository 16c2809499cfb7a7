"""The life of a request on the edge: identity, lookup, engine or a share of what it computes,
staging, answer."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass

from edge_node.cache.base import Cache, Entry
from edge_node.cache.integrity import IntegrityCheck
from edge_node.cache.staging import Staging
from edge_node.cut import CutRule
from midstep.clock import Clock
from midstep.diffusion.denoise import Denoiser, Trajectory
from midstep.diffusion.engine import Engine, Outcome
from midstep.diffusion.profile import StepProfile
from midstep.errors import PipelineMismatch, PromptError, ScenarioError
from midstep.telemetry.metrics import EdgeMetrics
from midstep.wire.identity import OutputKey, check_prompt, shared_seed
from midstep.wire.messages import (
    Access,
    Answer,
    CacheSnapshot,
    CacheUpdate,
    CacheUpdateResult,
    Description,
    Request,
    Reuse,
)

__all__ = ["Edge", "FirstSteps"]

WATCH_LIMIT = 100_000  # accesses that wait for a slow watcher; beyond, it loses the oldest


@dataclass(frozen=True, kw_only=True)
class FirstSteps:
    """The engine's job of one output: from noise to `until`, then frozen."""

    denoiser: Denoiser
    prompt: str
    seed: int
    until: int
    prompt_key: str

    def begin(self) -> Trajectory:
        return self.denoiser.begin(self.prompt, self.seed, self.until)

    def finish(self, trajectory: Trajectory) -> Entry:
        # the tokenizer is asked here, in the computing thread: it cannot be shared between threads
        truncated = bool(self.denoiser.truncated(self.prompt))
        return Entry(self.prompt, self.denoiser.freeze(trajectory, self.prompt_key), truncated)


@dataclass
class _Computation:
    """An output that is being computed, and how many wait for it."""

    task: asyncio.Task[Outcome[Entry]]
    waiting: int = 0


@dataclass(frozen=True, kw_only=True)
class _Delivery:
    """An output for one request, and how it was made."""

    entry: Entry
    reuse: Reuse
    edge_steps: int = 0
    queue_s: float = 0.0


class Edge:
    """The edge server without its wire: implements EdgePort and ControlPort in-process."""

    def __init__(
        self,
        name: str,
        engine: Engine,
        store: Cache,
        staging: Staging,
        clock: Clock,
        *,
        rule: CutRule,
        split_step: int,
        seed: int,
        profile: StepProfile,
        metrics: EdgeMetrics | None = None,
    ) -> None:
        self.name = name
        self.engine = engine
        self.store = store
        self.staging = staging
        self.integrity = IntegrityCheck(store, staging)
        self.clock = clock
        self.rule = rule
        self.split_step = split_step
        self.seed = seed
        self.profile = profile
        self.identity = engine.denoiser.identity
        self._pipeline = self.identity.digest()
        self._computing: dict[str, _Computation] = {}
        self._watchers: list[asyncio.Queue[Access]] = []
        self.metrics = metrics or EdgeMetrics(name)
        self.metrics.capacity(store.capacity)

    async def describe(self) -> Description:
        """The pipeline, cut and step times of this edge."""
        return Description(
            edge=self.name,
            pipeline=self.identity,
            split_step=self.split_step,
            scenario_seed=self.seed,
            step_s=self.profile.step(1),
            decode_s=self.profile.decode_s,
            process_id=os.getpid(),
        )

    async def obtain(self, request: Request, timeout_s: float) -> Answer:
        """The output of request.prompt. Raises what EdgePort.obtain lists; work that takes longer
        than `timeout_s` is cancelled."""
        self.integrity.require()
        self._check(request)
        arrived = self.clock.now()
        private = request.private_seed is not None
        seed = (
            shared_seed(request.prompt, self.seed)
            if request.private_seed is None
            else request.private_seed
        )
        key = OutputKey(self._pipeline, request.prompt, seed, private).digest()
        self.metrics.lookup()
        hit = self.store.lookup(key, self.identity.steps)
        if hit is not None:
            reuse: Reuse = "final" if hit.step == self.identity.steps else "exact"
            self.metrics.hit(reuse)
            return self._answer(request, _Delivery(entry=hit.entry, reuse=reuse), arrived, seed)
        job = FirstSteps(
            denoiser=self.engine.denoiser,
            prompt=request.prompt,
            seed=seed,
            until=self.rule.cut(request),
            prompt_key=key,
        )
        async with asyncio.timeout(timeout_s):
            outcome, shared = await self._compute_or_share(job, private)
        entry = outcome.value
        if shared:
            return self._answer(request, _Delivery(entry=entry, reuse="shared"), arrived, seed)
        delivery = _Delivery(
            entry=entry,
            reuse="computed",
            edge_steps=entry.frame.step,
            queue_s=min(outcome.queue_s, self.clock.now() - arrived),
        )
        return self._answer(request, delivery, arrived, seed)

    def _check(self, request: Request) -> None:
        """Raise PromptError or PipelineMismatch for what this edge cannot serve."""
        if (why := check_prompt(request.prompt)) is not None:
            raise PromptError(why)
        if request.pipeline != self._pipeline:
            raise PipelineMismatch(
                f"{self.name} serves pipeline {self._pipeline[:12]} ({self.identity.model}), "
                f"the device continues {request.pipeline[:12]}: start both with the same model and "
                f"steps"
            )
        if not 1 <= request.steps <= self.identity.steps:
            raise PipelineMismatch(
                f"the device asks for {request.steps} edge steps, {self.name} has 1 to "
                f"{self.identity.steps}"
            )

    async def _compute_or_share(
        self, job: FirstSteps, private: bool
    ) -> tuple[Outcome[Entry], bool]:
        """Compute the job, or share a computation of the same key that is under way; returns the
        outcome and whether it was shared. A computation ends early when its last caller gives
        up."""
        key = job.prompt_key
        computation = self._computing.get(key)
        shared = computation is not None
        if computation is None:
            task = asyncio.create_task(self._compute(job, private))
            computation = _Computation(task)
            self._computing[key] = computation
            task.add_done_callback(lambda _: self._forget(key, task))
        computation.waiting += 1
        try:
            outcome = await asyncio.shield(computation.task)
        finally:
            computation.waiting -= 1
            if not computation.waiting and not computation.task.done():
                # forgotten before it is cancelled, so that no later request shares it
                self._forget(key, computation.task)
                computation.task.cancel()
        return outcome, shared

    def _forget(self, key: str, task: asyncio.Task[Outcome[Entry]]) -> None:
        computation = self._computing.get(key)
        if computation is not None and computation.task is task:
            del self._computing[key]

    async def _compute(self, job: FirstSteps, private: bool) -> Outcome[Entry]:
        outcome = await self.engine.submit(job)
        if not private:
            self.staging.put(outcome.value)
            self.integrity.changed(1)
        return outcome

    def _answer(self, request: Request, delivery: _Delivery, arrived: float, seed: int) -> Answer:
        frame = delivery.entry.frame
        now = self.clock.now()
        edge_s = max(0.0, now - arrived - delivery.queue_s)
        if request.private_seed is None:
            access = Access(
                request_id=request.request_id,
                prompt_key=frame.prompt_key,
                prompt=request.prompt,
                step=frame.step,
                nbytes=frame.nbytes,
                reuse=delivery.reuse,
                at_s=now,
                edge_s=delivery.queue_s + edge_s,
            )
            self._publish(access)
        self.refresh()
        return Answer(
            frame=frame,
            reuse=delivery.reuse,
            similarity=1.0 if delivery.reuse != "computed" else 0.0,
            edge_steps=delivery.edge_steps,
            saved_steps=frame.step - delivery.edge_steps,
            queue_s=delivery.queue_s,
            edge_s=edge_s,
            seed=seed,
            truncated=delivery.entry.truncated,
        )

    def _publish(self, access: Access) -> None:
        for queue in self._watchers:
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(access)

    @property
    def watchers(self) -> int:
        """Number of open `watch` streams."""
        return len(self._watchers)

    async def watch(self) -> AsyncIterator[Access]:
        """Accesses from now on, as they end, until the caller closes the stream."""
        queue: asyncio.Queue[Access] = asyncio.Queue(WATCH_LIMIT)
        self._watchers.append(queue)
        try:
            while True:
                yield await queue.get()
        finally:
            self._watchers.remove(queue)

    async def apply(self, update: CacheUpdate) -> CacheUpdateResult:
        """Evict, then admit from staging. An output that is not there, or does not fit, is skipped
        and counted. Raises CacheCorrupted."""
        evicted = sum(self.store.evict(key) for key in update.evict)
        admitted = 0
        for key, step in update.admit:
            entry = self.staging.peek(key)
            if entry is not None and entry.frame.step == step and self.store.admit(entry):
                self.staging.take(key)
                admitted += 1
        self.integrity.changed(admitted + evicted)
        self.metrics.evicted(evicted)
        self.refresh()
        return CacheUpdateResult(admitted, evicted, len(update.admit) - admitted)

    async def snapshot(self) -> CacheSnapshot:
        """The outputs in store and staging."""
        return CacheSnapshot(
            store=self.store.snapshot(),
            staging=self.staging.snapshot(),
            capacity=self.store.capacity,
            store_bytes=self.store.nbytes,
            staging_bytes=self.staging.nbytes,
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
                    f"model ({frame_bytes} bytes); give at least {frame_bytes}"
                )
