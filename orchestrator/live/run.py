"""`midstep run`: open the parts, have them driven, close them, and leave a record, whatever happens
on the way."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from midstep.clock import run_virtual
from midstep.errors import (
    EXIT_DIED,
    EXIT_INPUT,
    EXIT_INTERRUPTED,
    MidstepError,
    PolicyFailed,
    RecordError,
)
from midstep.scenario import Scenario
from orchestrator.live.announcer import profile_doubt, start_line
from orchestrator.live.cell import Cluster, Parts
from orchestrator.live.closing import close_record
from orchestrator.live.inprocess import InProcess
from orchestrator.live.launch import ClusterKind, Launch, Options, check
from orchestrator.live.run_course import RunCourse
from orchestrator.live.run_events import RunEvents
from orchestrator.live.signals import Interrupts, own_handlers, stop_on_signals
from orchestrator.records.recorder import Recorder
from orchestrator.records.run_files import run_folder
from orchestrator.records.summary import RunFacts
from orchestrator.watch.live import Progress
from orchestrator.watch.monitor import Monitor
from orchestrator.watch.waiting import Waiting

__all__ = ["Ending", "Options", "carry_out", "run"]


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


class _Run:
    def __init__(
        self, launch: Launch, options: Options, folder: Path, cluster: Cluster, recorder: Recorder
    ) -> None:
        self.launch = launch
        self.scenario = launch.scenario
        self.options = options
        self.folder = folder
        self.cluster = cluster
        self.recorder = recorder
        self.stopping = asyncio.Event()
        self.facts = RunFacts(resumed_from=options.resume)
        self.progress = Progress(self.scenario, recorder, options.quiet)
        self.events = RunEvents(self.scenario, launch.clock, recorder, self.progress)
        self.monitor = Monitor(folder) if options.monitor else None
        self.course = RunCourse(
            launch=launch,
            recorder=recorder,
            facts=self.facts,
            progress=self.progress,
            events=self.events,
            monitor=self.monitor,
            stopping=self.stopping,
        )
        self.interrupts: Interrupts | None = None
        self.error: MidstepError | None = None  # what ended the run
        recorder.announce = self.events.announce

    async def main(self, interrupts: Interrupts | None) -> int:
        start = time.monotonic()
        self.interrupts = interrupts
        stop_on_signals(self.stopping, self._interrupted, interrupts)
        with self.progress:
            status = await self._guarded()
            if not self.course.began and status in (EXIT_INPUT, EXIT_INTERRUPTED):
                self.recorder.discard()  # nothing has begun: nothing is left
                return status
            self.facts.wall_s = time.monotonic() - start
            try:
                return close_record(
                    self.folder, self.scenario, self.options, self.recorder, self.facts, status
                )
            except (OSError, RecordError) as error:  # a full disk, most likely
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
                self.events.announce(doubt)
            return await self._live()
        except MidstepError as error:
            self.error = error
            self.events.announce(str(error))
            if isinstance(error, PolicyFailed):
                self.recorder.policy_failed(error)
            return error.exit_status
        except OSError as error:
            self.error = RecordError(f"{self.folder} cannot be written: {error}")
            self.events.announce(str(self.error))
            return EXIT_DIED
        except asyncio.CancelledError:  # the second Ctrl-C
            self.events.announce("stopped at once; requests in flight are lost")
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
            parts = opening.result()
            # Ray's own handler of SIGTERM aborts
            stop_on_signals(self.stopping, self._interrupted, self.interrupts)
            await self.course.to_end(parts)
            if self.events.deaths:
                return EXIT_DIED
            return EXIT_INTERRUPTED if self.stopping.is_set() else 0
        finally:
            stopping.cancel()
            opening.cancel()
            # `open` must have ended before `close` ends what it has started
            await asyncio.gather(opening, return_exceptions=True)
            try:
                await self.cluster.close()
            finally:
                if self.monitor is not None:
                    for line in await asyncio.to_thread(self.monitor.close):
                        self.progress.say(line)

    async def _open(self) -> Parts:
        """Open the parts, and say what they wait for."""
        if self.launch.clock.virtual:
            return await self.cluster.open(lambda _: None)
        async with Waiting(lambda text: self.progress.say(f"midstep: {text}")) as waiting:
            return await self.cluster.open(waiting.enter)

    def _interrupted(self) -> None:
        self.events.interrupted(self.course.began)
