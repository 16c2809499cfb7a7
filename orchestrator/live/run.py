"""`midstep run`: start the parts, drive the slots, and leave a record, whatever happens on the
way."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import psutil

from midstep.clock import run_virtual
from midstep.errors import (
    EXIT_DIED,
    EXIT_INPUT,
    EXIT_INTERRUPTED,
    MidstepError,
    PartDied,
    PolicyFailed,
    RecordError,
)
from midstep.scenario import Scenario
from midstep.telemetry.exporter import Target, export
from midstep.telemetry.writers import RunMetrics
from orchestrator.live.announcer import (
    announce_cell,
    profile_doubt,
    requests_line,
    start_line,
    store_line,
)
from orchestrator.live.cell import Cluster, Parts
from orchestrator.live.closing import close_record
from orchestrator.live.comparison import compare_pictures
from orchestrator.live.faults import Injection, World
from orchestrator.live.inprocess import InProcess
from orchestrator.live.launch import ClusterKind, Launch, Options, check
from orchestrator.live.lost_hosts import LostHost, rows_lost_with
from orchestrator.live.observer import Observer
from orchestrator.live.run_service import Control
from orchestrator.live.scaling import Scaler
from orchestrator.live.signals import Interrupts, own_handlers, stop_on_signals
from orchestrator.live.slot_loop import SlotLoop
from orchestrator.live.target_files import write_target_files
from orchestrator.live.timeline import Happening
from orchestrator.records.reconciliation import answers_lines, loss_line
from orchestrator.records.recorder import Recorder
from orchestrator.records.rows import SlotProgress
from orchestrator.records.run_files import run_folder
from orchestrator.records.summary import RunFacts
from orchestrator.watch.live import Progress
from orchestrator.watch.monitor import Monitor
from orchestrator.watch.waiting import Waiting

__all__ = ["CENTRE", "LEAD_S", "Ending", "Options", "carry_out", "run"]

LEAD_S = 0.3  # between telling everybody when the run starts and its start
BEGIN_S = 10.0  # wall seconds that a part has to answer when it is told so
CENTRE = "orchestrator"


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How a run ended: the command's exit status, the run's folder, and the error that ended it.
    The folder is gone where nothing had begun."""

    status: int
    folder: Path
    error: MidstepError | None = None


def run(scenario: Scenario, options: Options, cluster: ClusterKind = InProcess) -> int:
    """Run a scenario to its end; the command's exit status. Raises as `carry_out`."""
    return carry_out(scenario, options, cluster).status


def carry_out(
    scenario: Scenario,
    options: Options,
    cluster: ClusterKind = InProcess,
    interrupts: Interrupts | None = None,
) -> Ending:
    """Run a scenario to its end.

    `cluster` starts the parts; it is the caller that knows of Ray. `interrupts` are those of
    another thread. Raises MidstepError for what is wrong from the start, KeyboardInterrupt where
    it is interrupted before it is under way.
    """
    launch = check(scenario, options)
    folder = run_folder(launch.scenario, options.out)
    launch = replace(launch, folder=folder)
    recorder = Recorder(folder, launch.scenario)
    try:
        parts = cluster(launch)
    except MidstepError:
        recorder.discard()
        raise
    try:
        one = _Run(launch, options, folder, parts, recorder)
        with own_handlers():
            main = one.main(interrupts)
            status = run_virtual(main) if launch.clock.virtual else asyncio.run(main)
    except KeyboardInterrupt:  # before the run's own handlers were there
        recorder.discard()
        raise
    return Ending(status=status, folder=folder, error=one.error)


async def _in_time(name: str, start: Awaitable[None]) -> None:
    """Let a part begin. Raises PartDied where it is silent, as a stopped process is."""
    try:
        await asyncio.wait_for(start, BEGIN_S)
    except TimeoutError as error:
        raise PartDied(f"{name} is silent as the run should begin") from error


class _Run:
    def __init__(
        self, launch: Launch, options: Options, folder: Path, cluster: Cluster, recorder: Recorder
    ) -> None:
        self.launch = launch
        self.scenario = launch.scenario
        self.clock = launch.clock
        self.options = options
        self.folder = folder
        self.cluster = cluster
        self.recorder = recorder
        self.stopping = asyncio.Event()
        self.metrics = RunMetrics(event.kind for event in self.scenario.timeline)
        self.facts = RunFacts(resumed_from=options.resume)
        self.deaths: list[str] = []
        self.began = False  # whether the run's time has begun
        self.progress = Progress(self.scenario, recorder, options.quiet)
        self.monitor = Monitor(folder) if options.monitor else None
        self.interrupts: Interrupts | None = None
        self.error: MidstepError | None = None  # what ended the run
        recorder.announce = self._announce

    async def main(self, interrupts: Interrupts | None) -> int:
        start = time.monotonic()
        self.interrupts = interrupts
        stop_on_signals(self.stopping, self._interrupted, interrupts)
        with self.progress:
            status = await self._guarded()
            if not self.began and status in (EXIT_INPUT, EXIT_INTERRUPTED):
                self.recorder.discard()  # nothing has begun: nothing is left
                return status
            self.facts.wall_s = time.monotonic() - start
            try:
                return close_record(
                    self.folder, self.scenario, self.options, self.recorder, self.facts, status
                )
            except OSError as error:  # a full disk, most likely
                text = f"{self.folder} cannot be written ({error}); what its journals hold stays"
                self.progress.say(f"midstep: {text}")
                self.error = RecordError(text)
                return EXIT_DIED

    async def _guarded(self) -> int:
        """Run, and turn an error or an interruption into an exit status."""
        try:
            self.progress.say(start_line(self.scenario))
            if (notice := self.launch.notice) is not None:
                self.progress.say(f"midstep: {notice}")
            if (doubt := profile_doubt(self.scenario)) is not None:
                self._announce(doubt)
            return await self._live()
        except MidstepError as error:
            self.error = error
            self._announce(str(error))
            if isinstance(error, PolicyFailed):
                self.recorder.policy_failed(error)
            return error.exit_status
        except OSError as error:
            self.error = RecordError(f"{self.folder} cannot be written: {error}")
            self._announce(str(self.error))
            return EXIT_DIED
        except asyncio.CancelledError:  # the second Ctrl-C
            self._announce("stopped at once; requests in flight are lost")
            return EXIT_INTERRUPTED

    async def _live(self) -> int:
        """Open the parts, drive them, close them."""
        if self.stopping.is_set():  # an interruption from before there was a run
            return EXIT_INTERRUPTED
        opening = asyncio.ensure_future(self._open())
        stopping = asyncio.ensure_future(self.stopping.wait())
        either: set[asyncio.Future[Any]] = {opening, stopping}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if self.stopping.is_set():
                return EXIT_INTERRUPTED
            return await self._drive(opening.result())
        finally:
            stopping.cancel()
            opening.cancel()
            # `open` must have ended before `close` ends what it has started
            await asyncio.gather(opening, return_exceptions=True)
            try:
                await self.cluster.close()
            finally:
                if self.monitor is not None:
                    self._say(await asyncio.to_thread(self.monitor.close))

    async def _open(self) -> Parts:
        """Open the parts, and say what they wait for."""
        if self.clock.virtual:
            return await self.cluster.open(lambda _: None)
        async with Waiting(lambda text: self.progress.say(f"midstep: {text}")) as waiting:
            return await self.cluster.open(waiting.enter)

    async def _drive(self, parts: Parts) -> int:
        # Ray's own handler of SIGTERM aborts
        stop_on_signals(self.stopping, self._interrupted, self.interrupts)
        self.facts.step_s = {cell.name: cell.description.step_s for cell in parts.cells}
        self.facts.pipeline = asdict(parts.cells[0].description.pipeline)
        self._note_pace(parts)
        self.recorder.began(
            self.facts.step_s, self.facts.pipeline, self.options.resume, self.facts.pace
        )
        exporter = (
            None if self.clock.virtual else Target(export(CENTRE, parts.here), CENTRE, CENTRE)
        )

        def renew_targets() -> None:
            if exporter is not None:
                write_target_files(self.folder, [*parts.targets, exporter])

        renew_targets()
        for cell in parts.cells:
            announce_cell(cell, self.scenario.policy.name, self.folder, self.progress.say)
            self.progress.say(store_line(cell, self.scenario.at(cell.name).edge.capacity))
        if self.launch.requests is not None:
            self._announce(requests_line(self.launch.requests, self.scenario))
        if self.launch.states:
            self._announce(f"the learner goes on from what {self.options.resume} left")
        if self.monitor is not None:
            self._say(await asyncio.to_thread(self.monitor.start))
        epoch = await self._begin(parts)
        observer = Observer(
            announce=self._announce,
            death=self._death,
            renew_targets=renew_targets,
            ending=self._ending,
            expects=parts.expects,
        )
        scaler = Scaler(self.scenario, parts, epoch, self.clock, self._scaled, renew_targets)
        world = World(
            scenario=self.scenario,
            parts=parts,
            clock=self.clock,
            scaler=scaler,
            epoch_s=epoch,
            announce=self._announce,
            renew_targets=renew_targets,
        )
        try:
            await self._slots(parts, observer, world)
        finally:
            self._note_pace(parts)
        if parts.alive and self._compares() and not self.stopping.is_set():
            await self._compare(parts)
        if self.monitor is not None:
            await asyncio.to_thread(self.monitor.linger)
        if self.deaths:
            return EXIT_DIED
        return EXIT_INTERRUPTED if self.stopping.is_set() else 0

    def _note_pace(self, parts: Parts) -> None:
        """Enter what the edges last said of their machines' pace."""
        self.facts.pace = {cell.name: cell.pace for cell in parts.cells if cell.pace is not None}

    async def _begin(self, parts: Parts) -> float:
        """Let the run's time begin everywhere; the Unix time at which it does."""
        epoch = time.time() + (0.0 if self.clock.virtual else LEAD_S)
        self.clock.begin(epoch)
        self.began = True
        starts = {cell.name: cell.edge.start(epoch) for cell in parts.cells}
        starts |= {host.name: host.start(epoch) for host in parts.hosts}
        await asyncio.gather(*(_in_time(name, start) for name, start in starts.items()))
        return epoch

    async def _slots(self, parts: Parts, observer: Observer, world: World) -> None:
        """Drive the slots, while users may come and go and events happen."""
        loop = SlotLoop(
            self.scenario,
            parts,
            self.clock,
            self.recorder,
            self.metrics,
            observer,
            self.launch.states,
        )
        psutil.cpu_percent()  # the next call returns the share since this one
        async with AsyncExitStack() as stack:
            if not self.clock.virtual:
                await stack.enter_async_context(Control(self.folder, world.scaler))
            injection = await stack.enter_async_context(Injection(world, self._happened))

            def show(progress: SlotProgress) -> None:
                self.progress.show(progress)
                injection.slot_ended(progress)

            await loop.run(self.stopping, show)
        lost = loop.lost_hosts
        self._account_for(lost, loop.until_s)
        for line in answers_lines(loop.answers, self.recorder.rows.values(), parts.restarted):
            self._announce(line)
        self.facts.undisturbed = not lost and not self.stopping.is_set()
        self.facts.cpu_share = round(psutil.cpu_percent() / 100, 3)

    def _account_for(self, lost: Sequence[LostHost], end_s: float) -> None:
        """Give what was lost with hosts its rows, and say what a death that nobody planned has
        cost."""
        lines = []
        for host in lost:
            rows = rows_lost_with(
                [host], self.scenario, self.launch.requests, self.recorder.rows, end_s
            )
            self.recorder.ended(rows)
            line = loss_line((one.row.dict() for one in rows), host.who)
            if line is not None and not host.planned:
                lines.append(line)
                self._announce(line)
        self.facts.lost = lines

    def _compares(self) -> bool:
        """Whether there are pictures to compare; paced runs make none."""
        real = self.scenario.modes.denoiser == "real"
        return bool(self.scenario.report.references and real and self.recorder.rows)

    async def _compare(self, parts: Parts) -> None:
        done = sum(row.result == "done" for row in self.recorder.rows.values())
        count = min(self.scenario.report.references, done)
        self.progress.say(f"making {count} pictures again without reuse, to compare")

        def died(text: str) -> None:
            self.recorder.event(self.clock.now(), text)

        self.recorder.compared(await compare_pictures(parts.hosts, self.stopping, died))

    def _say(self, lines: list[str]) -> None:
        for line in lines:
            self.progress.say(line)

    def _announce(self, text: str) -> None:
        self.progress.say(f"midstep: {text}")
        self.recorder.event(self.clock.now(), text)

    def _death(self, text: str) -> None:
        self.deaths.append(text)
        self.metrics.event("died")
        self._announce(text)

    def _ending(self, in_flight: int) -> None:
        self.progress.say(f"midstep: waiting for {in_flight} requests in flight")

    def _scaled(self, text: str) -> None:
        self.metrics.event("scaled")
        self._announce(text)

    def _happened(self, happening: Happening) -> None:
        """Tell of an event of the timeline."""
        if happening.phase != "failed":
            over = " over" if happening.phase == "over" else ""
            self.metrics.event(f"{happening.kind}{over}")
        text = f"{happening.kind}: {happening.text}"
        self.progress.say(f"midstep: {text}")
        self.recorder.event(
            self.clock.now(), text, happening.kind, happening.place, happening.phase
        )

    def _interrupted(self) -> None:
        if not self.began:
            self.progress.say("midstep: stopped before the run began (again to stop at once)")
            return
        self.recorder.event(
            self.clock.now(), "interrupted: no new requests, those in flight are awaited"
        )
        self.progress.say(
            f"midstep: stopping; requests in flight are awaited for {self.scenario.grace_s:g} s "
            f"(again to stop at once)"
        )
