"""`midstep run`: start the parts, drive the slots, and leave a record, whatever happens on the
way."""

from __future__ import annotations

import asyncio
import sys
import time
from contextlib import AsyncExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psutil

from midstep.clock import run_virtual
from midstep.errors import (
    EXIT_DIED,
    EXIT_INPUT,
    EXIT_INTERRUPTED,
    EXIT_MISSED,
    MidstepError,
    PolicyFailed,
)
from midstep.scenario import Scenario
from midstep.telemetry.exporter import Target, export
from midstep.telemetry.metrics import RunMetrics
from orchestrator.live.announcer import announce_cell, headline, start_line
from orchestrator.live.cell import Cluster, Parts
from orchestrator.live.comparison import compare_pictures
from orchestrator.live.inprocess import InProcess
from orchestrator.live.launch import ClusterKind, Launch, Options, check
from orchestrator.live.run_service import Control
from orchestrator.live.scaling import Scaler
from orchestrator.live.signals import stop_on_signals
from orchestrator.live.slot_loop import SlotLoop
from orchestrator.live.target_files import write_target_files
from orchestrator.records import report, summary
from orchestrator.records.recorder import Recorder, policy_failures, run_folder
from orchestrator.watch.live import Progress
from orchestrator.watch.monitor import Monitor

LEAD_S = 0.3  # between telling everybody when the run starts and its start
CENTRE = "orchestrator"


def run(scenario: Scenario, options: Options, cluster: ClusterKind = InProcess) -> int:
    """Run a scenario to its end; the command's exit status.

    `cluster` starts the parts; it is the command that knows of Ray. Raises MidstepError for what
    is wrong from the start.
    """
    launch = check(scenario, options)
    folder = run_folder(scenario, options.out)
    parts = cluster(launch)
    main = _Run(launch, options, folder, parts, Recorder(folder, scenario)).main()
    return run_virtual(main) if launch.clock.virtual else asyncio.run(main)


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
        self.cpu: float | None = None
        self.metrics = RunMetrics()
        self.step_s: dict[str, float] = {}
        self.pipeline: dict[str, Any] | None = None
        self.progress = Progress(self.scenario, recorder)
        self.monitor = Monitor(folder) if options.monitor else None

    async def main(self) -> int:
        started = time.monotonic()
        status = 0
        stop_on_signals(self.stopping, self._interrupted)
        with self.progress:
            try:
                self.progress.say(start_line(self.scenario))
                status = await self._live()
            except MidstepError as error:
                self._happened(str(error))
                if isinstance(error, PolicyFailed):
                    self.recorder.policy_failed(error)
                status = error.exit_status
                if status == EXIT_INPUT and not self.recorder.slots:
                    self.recorder.discard()  # nothing has begun: bad input leaves nothing
                    return status
            except asyncio.CancelledError:  # the second Ctrl-C
                self._happened("stopped at once; requests in flight are lost")
                status = EXIT_INTERRUPTED
            try:
                return self._finish(status, time.monotonic() - started)
            except OSError as error:  # a full disk, most likely
                self.progress.say(
                    f"midstep: {self.folder} cannot be written ({error}); what its journals hold "
                    f"stays"
                )
                return EXIT_DIED

    async def _live(self) -> int:
        """Open the parts, drive them, close them."""
        opening = asyncio.ensure_future(self.cluster.open())
        stopping = asyncio.ensure_future(self.stopping.wait())
        either: set[asyncio.Future[Any]] = {opening, stopping}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            return await self._drive(opening.result()) if opening.done() else 0
        except OSError as error:
            self._happened(f"{self.folder} cannot be written: {error}")
            return EXIT_DIED
        finally:
            stopping.cancel()
            opening.cancel()
            try:
                await self.cluster.close()
            finally:
                if self.monitor is not None:
                    self._say(await asyncio.to_thread(self.monitor.close))

    async def _drive(self, parts: Parts) -> int:
        stop_on_signals(self.stopping, self._interrupted)  # Ray's own handler of SIGTERM aborts
        self.step_s = {cell.name: cell.description.step_s for cell in parts.cells}
        self.pipeline = asdict(parts.cells[0].description.pipeline)
        exporter = (
            None if self.clock.virtual else Target(export(CENTRE, parts.here), CENTRE, CENTRE)
        )

        def renew_targets() -> None:
            if exporter is not None:
                write_target_files(self.folder, [*parts.targets, exporter])

        renew_targets()
        for cell in parts.cells:
            announce_cell(cell, self.scenario.policy.name, self.folder, self.progress.say)
        if self.launch.states:
            self._happened(f"the learner goes on from what {self.options.resume} left")
        if self.monitor is not None:
            self._say(await asyncio.to_thread(self.monitor.start))
        epoch = time.time() + (0.0 if self.clock.virtual else LEAD_S)
        self.clock.begin(epoch)
        starts = [cell.edge.start(epoch) for cell in parts.cells]
        starts += [host.start(epoch) for host in parts.hosts]
        await asyncio.gather(*starts)
        scaler = Scaler(self.scenario, parts, epoch, self._scaled, renew_targets)
        loop = SlotLoop(
            self.scenario,
            parts,
            self.clock,
            self.recorder,
            self.metrics,
            self._happened,
            self.launch.states,
            renew_targets,
        )
        psutil.cpu_percent()  # the share from here on
        async with AsyncExitStack() as stack:
            if not self.clock.virtual:
                await stack.enter_async_context(Control(self.folder, scaler))
            timeline = asyncio.create_task(scaler.follow(self.clock), name="timeline")
            stack.callback(timeline.cancel)
            await loop.run(self.stopping, self.progress.show)
        self.cpu = round(psutil.cpu_percent() / 100, 3)
        if parts.alive and self._compares() and not self.stopping.is_set():
            await self._compare(parts)
        if self.monitor is not None:
            await asyncio.to_thread(self.monitor.linger)
        return EXIT_DIED if loop.deaths else 0

    def _compares(self) -> bool:
        """Whether there are pictures to make again; paced ones are none."""
        real = self.scenario.modes.denoiser == "real"
        return bool(self.scenario.report.references and real and self.recorder.rows)

    async def _compare(self, parts: Parts) -> None:
        self.progress.say(
            f"making {self.scenario.report.references} pictures again without reuse, to compare"
        )

        def died(text: str) -> None:
            self.recorder.event(self.clock.now(), text)

        self.recorder.compared(await compare_pictures(parts.hosts, self.stopping, died))

    def _finish(self, status: int, wall_s: float) -> int:
        write_target_files(self.folder, [])
        self.recorder.close()
        tree = summary.summarise(
            self.scenario,
            [row.dict() for row in self.recorder.rows.values()],
            [vars(slot) for slot in self.recorder.slots],
            self.recorder.events,
            self.step_s,
            wall_s,
            self.cpu,
            self.pipeline,
            self.options.resume,
            policy_failures(self.folder),
        )
        summary.write(self.folder, tree)
        path = report.write(self.folder)
        print(headline(tree, self.scenario.policy.name))
        print(f"report: {path}")
        missed = summary.missed(tree, self.scenario.policy.name, self.scenario.thresholds)
        for line in missed:
            print(line, file=sys.stderr)
        if status == 0 and (missed or (self.options.strict and tree["verdict"] != "VALID")):
            return EXIT_MISSED
        return status

    def _say(self, lines: list[str]) -> None:
        for line in lines:
            self.progress.say(line)

    def _happened(self, text: str) -> None:
        self.progress.say(f"midstep: {text}")
        self.recorder.event(self.clock.now(), text)

    def _scaled(self, text: str) -> None:
        self.metrics.event("scaled")
        self._happened(text)

    def _interrupted(self) -> None:
        self.recorder.event(
            self.clock.now(), "interrupted: no new requests, those in flight are awaited"
        )
        self.progress.say(
            "midstep: stopping; requests in flight are awaited (again to stop at once)"
        )
