"""An edge server: identity of what is asked, its supply, staging, answers, and the learner's
commands."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import replace

from edge_node.cache.base import Cache, Entry
from edge_node.cache.integrity import IntegrityCheck
from edge_node.cache.staging import Staging
from edge_node.checks import Checks
from edge_node.cooperation.lender import Lender
from edge_node.cooperation.neighbourhood import Neighbourhood
from edge_node.cut.base import CutRule
from edge_node.cutter import Cutter
from edge_node.delivery import Delivery
from edge_node.flights import Flights
from edge_node.gate import Gate
from edge_node.lookup import Lookup
from edge_node.reports import plausible
from edge_node.similar import Finder
from edge_node.supply import Supply
from edge_node.watchers import Watchers
from midstep.clock import Clock
from midstep.diffusion.engine import Engine
from midstep.diffusion.profile import StepProfile
from midstep.errors import PipelineMismatch, PromptError, ScenarioError
from midstep.telemetry.writers import EdgeMetrics
from midstep.wire.identity import OutputKey, check_prompt, shared_seed
from midstep.wire.messages import Answer, Description, QualitySample, Request
from midstep.wire.messages_control import (
    Access,
    CacheSnapshot,
    CacheUpdate,
    CacheUpdateResult,
    Demand,
    EdgeWork,
    SlotPlan,
)
from midstep.wire.messages_neighbours import Digest, LentOutput
from midstep.wire.start import Start, StartKey

__all__ = ["Edge"]


class Edge:
    """The edge server without its wire: implements EdgePort and ControlPort in-process. Where it
    has a `gate`, requests wait there for their slot's plan, which alone says what they get
    (modes.edge: coupled). A `finder` lets other prompts' outputs serve (reuse.similar); `discreet`:
    no device is told of which prompt (reuse.privacy: core). `checks`: reused pictures are checked,
    and limits follow what is found. `neighbours`: the edges whose outputs it may fetch."""

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
        frame_bytes: int = 0,
        gate: Gate | None = None,
        finder: Finder | None = None,
        discreet: bool = False,
        checks: Checks | None = None,
        neighbours: Neighbourhood | None = None,
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
        self.whole_prompt = split_step == engine.denoiser.identity.steps
        self.seed = seed
        self.profile = profile
        self.identity = engine.denoiser.identity
        self._pipeline = self.identity.digest()
        self._flights = Flights(engine, clock, rule, self._frozen)
        self._cutter = Cutter(rule, engine, self._flights, profile, frame_bytes)
        self.gate = gate
        self.discreet = discreet
        self.checks = checks
        self.answers = 0  # that it has given
        self.neighbours = neighbours
        self.watchers = Watchers()
        self.metrics = metrics or EdgeMetrics(name)
        self._lender = Lender(store)
        self._supply = Supply(
            store,
            Lookup(store, finder, rule, engine, seed),
            self._flights,
            self._cutter,
            clock,
            self.metrics,
            finishes=split_step == self.identity.steps,
            neighbours=neighbours,
            resumed_limit=self._resumed_limit,
        )
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
            tick_s=self._cutter.tick_s[1:],
            whole_prompt=self.whole_prompt,
        )

    async def obtain(self, request: Request, timeout_s: float) -> Answer:
        """The output of request.prompt. Raises what EdgePort.obtain lists; work that takes longer
        than `timeout_s` is cancelled."""
        self.integrity.require()
        self._check(request)
        request = plausible(request)
        if self.checks is not None:
            request = self.checks.capped(request)
        arrived = self.clock.now()
        start = None if request.start is None else await self._checked(request.start, request.limit)
        output = OutputKey.of(
            self._pipeline,
            request.prompt,
            request.private_seed,
            self.seed,
            request.negative,
            start,
        )
        key = output.digest()
        async with asyncio.timeout(timeout_s):
            if self.gate is not None:
                delivery = await self._supply.by_plan(self.gate, request, output, key)
            else:
                delivery = await self._supply.by_cut(request, output, key)
        if request.start is not None:
            first = request.start.first_step(self.identity.steps)
            delivery = replace(delivery, first_step=first)
        now = self.clock.now()
        edge_s = max(0.0, now - arrived - delivery.plan_wait_s - delivery.queue_s)
        access = delivery.access(request, key, now, edge_s)
        if access is not None:
            self.watchers.publish(access)
        self._count(request, delivery)
        seed = output.seed
        if delivery.donor_prompt is not None:
            seed = shared_seed(delivery.donor_prompt, self.seed)
        answer = delivery.answer(seed, edge_s, self.discreet)
        return answer if self.checks is None else self.checks.marked(request, answer)

    def _check(self, request: Request) -> None:
        """Raise PromptError or PipelineMismatch for what this edge cannot serve."""
        if (why := check_prompt(request.prompt, request.negative)) is not None:
            raise PromptError(why)
        if request.pipeline != self._pipeline:
            raise PipelineMismatch(
                f"{self.name} serves pipeline {self._pipeline[:12]} ({self.identity.model}), "
                f"the device continues {request.pipeline[:12]}: start both with the same model and "
                f"steps"
            )
        if not 1 <= request.limit <= self.identity.steps:
            raise PipelineMismatch(
                f"the device's reuse limit is step {request.limit}, {self.name} has steps 1 to "
                f"{self.identity.steps}"
            )

    async def _checked(self, start: Start, limit: int) -> StartKey:
        """What of a start picture is part of the output's identity. Raises PromptError for one that
        this edge cannot begin from, PipelineMismatch where nothing of it may be handed over."""
        identity = self.identity
        if self.gate is not None:
            raise PromptError(f"{self.name} is coupled to a plan, which has no start pictures")

        def read() -> StartKey:
            start.check(identity.steps, identity.height, identity.width)
            return start.key

        # a large picture takes longer to unpack than the loop may be held up
        key = await asyncio.to_thread(read) if self.engine.has_thread else read()
        first = start.first_step(identity.steps)
        if limit <= first:
            raise PipelineMismatch(
                f"the device's reuse limit is step {limit}, the trajectory of its start picture "
                f"begins at step {first}"
            )
        return key

    def _resumed_limit(self, request: Request, likeness: str) -> int:
        """See Checks; the request's own limit where nothing is checked."""
        checks = self.checks
        return request.limit if checks is None else checks.resumed_limit(request, likeness)

    def _frozen(self, entry: Entry) -> None:
        """A fresh output waits for the policy."""
        self.staging.put(entry)
        self.integrity.changed(1)

    def _count(self, request: Request, delivery: Delivery) -> None:
        """Count a request that was answered."""
        self.answers += 1
        if delivery.reuse == "resumed" and delivery.fetched is None:
            self.metrics.hit(delivery.reuse)
        if delivery.donor is not None:
            self.metrics.donated(delivery.likeness, delivery.similarity)
        self.metrics.handed_over(
            delivery.step, request.limit, delivery.edge_steps, delivery.saved_steps
        )
        self.refresh()

    async def report(self, sample: QualitySample) -> None:
        """See EdgePort; of no effect where nothing is checked."""
        if self.checks is not None:
            self.checks.report(sample)

    async def digest(self, known: int) -> Digest:
        """See NeighbourPort."""
        self.integrity.require()
        return self._lender.digest(known)

    async def lend(self, prompt_key: str, step: int) -> LentOutput | None:
        """See NeighbourPort."""
        self.integrity.require()
        return await self._lender.lend(prompt_key, step)

    def watch(self) -> AsyncIterator[Access]:
        """Accesses from now on, as they end, until the caller closes the stream."""
        return self.watchers.watch()

    async def apply(self, update: CacheUpdate) -> CacheUpdateResult:
        """Evict, then admit from staging, then cut by the plan's targets. An output that is not
        there, or does not fit, is skipped and counted. Raises CacheCorrupted."""
        evicted = 0
        for name in update.evict:
            evicted += self.store.evict(name) if isinstance(name, str) else self.store.evict(*name)
        admitted = 0
        for key, step in update.admit:
            entry = self.staging.peek(key, step)
            if entry is not None and self.store.admit(entry):
                self.staging.take(key, step)
                admitted += 1
        if update.targets is not None:
            self.rule.follow(update.targets)
        self.integrity.changed(admitted + evicted)
        self.metrics.evicted(evicted)
        self.refresh()
        return CacheUpdateResult(admitted, evicted, len(update.admit) - admitted)

    async def gather(self, slot: int, expected: int, wait_s: float) -> tuple[Demand, ...]:
        """See ControlPort."""
        return await self._coupled().gather(slot, expected, wait_s)

    async def serve(self, plan: SlotPlan) -> None:
        """See ControlPort."""
        self._coupled().serve(plan)

    def _coupled(self) -> Gate:
        """The gate. Raises ScenarioError where there is none."""
        if self.gate is None:
            raise ScenarioError(
                f"modes.edge: at {self.name} no request waits for a plan; set it to coupled"
            )
        return self.gate

    async def snapshot(self) -> CacheSnapshot:
        """The outputs in store and staging."""
        return CacheSnapshot(
            store=self.store.snapshot(),
            staging=self.staging.snapshot(),
            capacity=self.store.capacity,
            store_bytes=self.store.nbytes,
            staging_bytes=self.staging.nbytes,
            work=EdgeWork(
                at_s=self.clock.now(),
                busy_s=self.engine.busy_s,
                ticks=self.engine.ticks,
                steps=self.engine.steps,
                queue=self.engine.queue_depth,
                in_flight=self.engine.in_flight,
            ),
            neighbours=() if self.neighbours is None else self.neighbours.held,
            fetch_s=0.0 if self.neighbours is None else self.neighbours.fetch_s,
        )

    def refresh(self) -> None:
        """Bring the gauges up to date."""
        self.metrics.state(
            len(self.store), self.store.nbytes, self.staging.nbytes, self.engine.queue_depth
        )

    def check_capacity(self, frame_bytes: int, fresh: int = 1) -> None:
        """Raise ScenarioError where the store could not hold even one output, or staging not as
        many as may have to wait there, `fresh`."""
        bounds = (("capacity", self.store.capacity, 1), ("staging", self.staging.capacity, fresh))
        for name, most, count in bounds:
            least = count * frame_bytes
            if least > most:
                what = "one output" if count == 1 else f"a slot's {count} outputs"
                raise ScenarioError(
                    f"edges.N.{name} of {self.name}: {most} bytes cannot hold {what} of this "
                    f"model ({frame_bytes} bytes); give at least {least}"
                )
