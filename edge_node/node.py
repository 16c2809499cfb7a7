"""An edge node built from a scenario: denoiser and computing thread, engine and its task, store and
staging."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from edge_node.cache.base import Cache
from edge_node.cache.disk import DiskTier
from edge_node.cache.indexed import IndexedStore
from edge_node.cache.opening import in_folder, open_disk
from edge_node.cache.staging import Staging
from edge_node.cache.store import Store
from edge_node.cache.tiers import TieredCache
from edge_node.checks import Checks
from edge_node.cooperation.backhaul import Backhaul
from edge_node.cooperation.neighbourhood import Neighbourhood
from edge_node.cut import CutRule, open_rule
from edge_node.edge import Edge
from edge_node.gate import Gate
from edge_node.similar import Finder, open_similar
from midstep.clock import Clock
from midstep.diffusion.denoise import Denoiser
from midstep.diffusion.engine import Engine, EngineStats
from midstep.diffusion.factory import measure, named_profile, open_computing, output_bytes
from midstep.diffusion.pace import MachinePace
from midstep.diffusion.pipelines import catalogue_file
from midstep.diffusion.profile import StepProfile
from midstep.reuse.embedding import Embedder, open_embedder
from midstep.reuse.guard import FALSE_ALARMS, FALSE_ALARMS_OF_FOREIGN, Guard
from midstep.reuse.likeness import Grammar
from midstep.scenario import Scenario
from midstep.telemetry.ticks import TickLog
from midstep.telemetry.writers import GuardMetrics, on_tick
from midstep.wire.identity import OutputKey, PipelineIdentity
from midstep.wire.messages_neighbours import NeighbourPort
from midstep.workload.catalogue import load_catalogue

__all__ = ["EdgeNode"]


@dataclass(frozen=True)
class _Times:
    """An edge's step times in scenario seconds: those that it goes by, those measured here (None
    where nothing is computed, or in no time), and an output's bytes at the split step. `embedder`:
    what prompts are compared by, None where they are not; `disk`: the store's second tier, where it
    has one."""

    profile: StepProfile
    measured: StepProfile | None
    split_step: int
    frame_bytes: int
    embedder: Embedder | None
    disk: DiskTier | None = None


class EdgeNode:
    """Owns the engine's task and its computing thread. Build with `open`, end with `close`.

    `frame_bytes` is an output's size as the store counts it, `ticks` the engine's where the
    scenario records them. Digests of neighbours are asked for up to `until_s` of the run.
    """

    def __init__(
        self,
        edge: Edge,
        engine: Engine,
        thread: ThreadPoolExecutor | None,
        frame_bytes: int,
        pace: MachinePace,
        ticks: TickLog | None = None,
        until_s: float = math.inf,
    ) -> None:
        self.edge = edge
        self.ticks = ticks
        self._thread = thread
        self._pace = pace
        self.frame_bytes = frame_bytes
        self._until_s = until_s
        self._task = asyncio.create_task(engine.run(), name=f"engine-{edge.name}")

    @classmethod
    async def open(
        cls,
        scenario: Scenario,
        clock: Clock,
        *,
        split_step: int | None = None,
        whole_prompt: bool | None = None,
        left_behind: Path | None = None,
    ) -> EdgeNode:
        """Load the model, warm up, measure the step time, check that the store can hold an output.

        A real edge's ticks are held to the scenario's profile, where it names one.

        `split_step` is the step of a fixed cut, S of an edge that makes whole pictures; None: the
        scenario's model.split_step. `whole_prompt`: it is asked for users' prompts in full; None:
        where it makes whole pictures. `left_behind`: the folder that an edge before this one has
        left on its disk, which is this one's then. Raises ModelError, ScenarioError.
        """
        own_folder = scenario.edge.disk_path
        if left_behind is not None:
            scenario = in_folder(scenario, left_behind)
        step = split_step or scenario.model.split_step
        rule = open_rule(scenario, step)
        denoiser, thread = await open_computing(scenario, scenario.edge.threads, clock)
        disk = None
        try:
            if thread is None:
                times = _prepare(scenario, denoiser, clock, step)
            else:
                times = await asyncio.get_running_loop().run_in_executor(
                    thread, _prepare, scenario, denoiser, clock, step
                )
            disk = await open_disk(
                scenario, denoiser.identity, clock, times.embedder, times.frame_bytes
            )
            times = replace(times, disk=disk)
            on_ticks = on_tick(scenario.edge.name, "edge")
            ticks = TickLog(clock, on_ticks) if scenario.report.perfetto else None
            stats = EngineStats(on_ticks if ticks is None else ticks)
            edge = _edge(scenario, denoiser, clock, thread, times, rule, stats)
            await _fill(edge.store, times.embedder, thread)
            edge.check_capacity(times.frame_bytes, _fresh_outputs(scenario))
            if own_folder is None:
                edge.store.vanish()
            if whole_prompt is not None:
                edge.whole_prompt = whole_prompt
        except BaseException:
            if thread is not None:
                thread.shutdown(wait=False, cancel_futures=True)
            if disk is not None:
                await disk.close()
            raise
        pace = _pace(scenario, times)
        until_s = scenario.duration_s
        return cls(edge, edge.engine, thread, times.frame_bytes, pace, ticks, until_s)

    def start(self, epoch_s: float) -> None:
        """Let the run's time begin at this Unix time."""
        self.edge.clock.begin(epoch_s)
        self.follow_neighbours()

    def follow_neighbours(self) -> None:
        """Ask the neighbours for digests from now on, in a run whose time has begun."""
        if self.edge.neighbours is not None:
            self.edge.neighbours.start(self._until_s)

    def meet(self, ports: Mapping[str, NeighbourPort]) -> None:
        """Know the edges of these names as neighbours, where the scenario has them as such."""
        if self.edge.neighbours is not None:
            self.edge.neighbours.meet(ports)

    @property
    def pace(self) -> MachinePace:
        """This machine against the scenario's profile, so far."""
        ticks = self.edge.engine.pace
        return self._pace if ticks is None else replace(self._pace, ticks=replace(ticks.totals))

    async def close(self) -> None:
        """Stop ticking; what is in flight, or waits, is cancelled. What the store keeps for a later
        run is written."""
        self._task.cancel()
        if self.edge.gate is not None:
            self.edge.gate.close()
        self.edge.watchers.close()
        # an engine's error has already been raised to the callers of `submit`
        await asyncio.gather(self._task, return_exceptions=True)
        if self.edge.neighbours is not None:
            await self.edge.neighbours.close()
        await self.edge.store.close()
        if self._thread is not None:
            self._thread.shutdown(wait=False, cancel_futures=True)


def _edge(
    scenario: Scenario,
    denoiser: Denoiser,
    clock: Clock,
    thread: ThreadPoolExecutor | None,
    times: _Times,
    rule: CutRule,
    stats: EngineStats,
) -> Edge:
    settings = scenario.edge
    waits = clock.virtual or denoiser.profile is not None or scenario.model.profile is not None
    engine = Engine(
        denoiser,
        clock,
        queue_limit=settings.queue_limit,
        max_batch=settings.max_batch,
        executor=thread,
        profile=times.profile if waits else None,
        stats=stats,
    )
    store: Cache = Store(settings.capacity, scenario.policy.steps_per_prompt == "several")
    if times.disk is not None:
        store = TieredCache(store, times.disk)
    finder = None
    if times.embedder is not None:
        store, finder = _open_finder(scenario, denoiser.identity, store, times.embedder)
    checks = _checks(scenario, denoiser)
    if checks is not None and finder is not None:
        finder.cap = checks.guard.limit
    return Edge(
        settings.name,
        engine,
        store,
        Staging(settings.staging),
        clock,
        rule=rule,
        split_step=times.split_step,
        seed=scenario.seed,
        profile=times.profile,
        frame_bytes=scenario.channel.frame_bytes or times.frame_bytes,
        gate=Gate(clock, scenario.slot_seconds) if scenario.modes.edge == "coupled" else None,
        finder=finder,
        checks=checks,
        neighbours=_neighbourhood(scenario, denoiser, clock, times.frame_bytes),
        discreet=scenario.reuse.privacy == "core",
    )


def _open_finder(
    scenario: Scenario, identity: PipelineIdentity, store: Cache, embedder: Embedder
) -> tuple[IndexedStore, Finder]:
    """A store whose entries are found by likeness, and who finds them there. Raises ScenarioError
    for a rule that there is not, or cannot be."""
    rule = open_similar(scenario, identity)
    assert rule is not None  # there is an embedder only where there is a rule
    rule.check_embedding(embedder.name)
    pipeline = identity.digest()
    negative = scenario.workload.negative  # who has another one shares by it, not by likeness
    file = catalogue_file(scenario.model.path)  # in whose classes the model's table was measured
    grammar = Grammar(None if file is None else load_catalogue(file))
    indexed = IndexedStore(
        store,
        grammar,
        embedder.dimensions,
        lambda prompt: OutputKey.of(pipeline, prompt, None, scenario.seed, negative).digest(),
    )
    return indexed, Finder(indexed, rule, embedder, grammar)


def _neighbourhood(
    scenario: Scenario, denoiser: Denoiser, clock: Clock, frame_bytes: int
) -> Neighbourhood | None:
    """The edge's neighbours, not met yet; None where it has none."""
    settings = scenario.edge
    line = settings.backhaul or scenario.backhaul
    if not settings.neighbours or line.mbps == 0:
        return None
    return Neighbourhood(
        settings.name,
        Backhaul(line, clock),
        clock,
        pipeline=denoiser.identity.digest(),
        frame_bytes=frame_bytes,
        slot_seconds=scenario.slot_seconds,
    )


def _checks(scenario: Scenario, denoiser: Denoiser) -> Checks | None:
    """The checks of reused pictures; none where pictures are paced, which show nothing, or where
    the scenario wants none."""
    share = scenario.reuse.check_share
    if denoiser.profile is not None or share == 0:
        return None
    metrics = GuardMetrics(scenario.edge.name)
    level = FALSE_ALARMS_OF_FOREIGN if scenario.reuse.foreign else FALSE_ALARMS
    return Checks(Guard(share, level), denoiser.identity.steps, scenario.seed, metrics)


async def _fill(store: Cache, embedder: Embedder | None, thread: ThreadPoolExecutor | None) -> None:
    """Let outputs be found by likeness that a disk has from an earlier run."""
    if embedder is None or not isinstance(store, IndexedStore):
        return
    if thread is None:
        store.fill(embedder.embed)
    else:
        await asyncio.get_running_loop().run_in_executor(thread, store.fill, embedder.embed)


def _fresh_outputs(scenario: Scenario) -> int:
    """How many outputs may have to wait in staging at a time: where requests wait for plans, one of
    each prompt that is asked for in a slot, until the slot has ended."""
    slotted = scenario.workload.arrivals.slotted
    if scenario.modes.edge != "coupled" or slotted is None:
        return 1
    edges = (None, scenario.edge.name)
    users = sum(group.count for group in scenario.devices if group.edge in edges)
    requests = users * slotted.per_user
    return max(1, min(requests, scenario.workload.catalogue_size or requests))


def _prepare(scenario: Scenario, denoiser: Denoiser, clock: Clock, step: int) -> _Times:
    """Read the profile that the scenario names, measure what is computed here. A profile's times
    are scenario seconds."""
    denoiser.frame_numbers = scenario.reuse.frame
    measured = None
    if denoiser.profile is None and not clock.virtual:
        measured = measure(denoiser).scaled(clock.scale)
    profile = named_profile(scenario.model) if scenario.model.profile else measured
    assert profile is not None  # Scenario: paced and virtual runs name one
    similar = scenario.reuse.similar is not None
    embedder = open_embedder(scenario, denoiser) if similar else None
    return _Times(profile, measured, step, output_bytes(denoiser, step), embedder)


def _pace(scenario: Scenario, times: _Times) -> MachinePace:
    measured = times.measured
    return MachinePace(
        step_s=times.profile.step(1),
        profile=scenario.model.profile,
        measured_s=None if measured is None else measured.step(1),
        spread=None if measured is None else measured.spread,
    )
