"""`midstep run`: start the parts, drive the slots, and leave a record, whatever happens on the way."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from midstep.clock import Clock, VirtualClock, WallClock, run_virtual
from midstep.diffusion.pipelines import locate
from midstep.errors import EXIT_DIED, EXIT_INPUT, EXIT_INTERRUPTED, EXIT_MISSED, MidstepError, PartDied, ScenarioError
from midstep.scenario import Scenario
from midstep.telemetry.exporter import Target, export, write_targets
from midstep.telemetry.metrics import RunMetrics
from midstep.telemetry.record import Gallery
from midstep.wire.security import Credentials
from midstep.workload.requests import open_workload, read_prompts
from orchestrator import policies
from orchestrator.live import checkpoint
from orchestrator.live.cell import Cluster, Parts, problem, setting
from orchestrator.live.run_service import Control
from orchestrator.live.scaling import Scaler
from orchestrator.live.slot_loop import SlotLoop
from orchestrator.records import report, summary
from orchestrator.records.recorder import Recorder, run_folder
from orchestrator.watch.live import Progress
from orchestrator.watch.monitor import Monitor

LEAD_S = 0.3  # between telling everybody when the run starts and its start


@dataclass(frozen=True)
class Options:
    """What is of this launch, not of the scenario. `address`: the Ray to join; `strict`: an INVALID run is status 1;
    `resume`: the folder of a run whose learner's state this one goes on from; `credentials`: a folder of them, instead
    of fresh ones, so that devices by hand can join; `monitor`: a Prometheus and a Grafana beside the run."""

    out: str | None = None
    address: str | None = None
    strict: bool = False
    resume: str | None = None
    credentials: str | None = None
    monitor: bool = False


def run(scenario: Scenario, options: Options) -> int:
    """Run a scenario to its end; the command's exit status. Raises MidstepError for what is wrong from the start."""
    policies.check(scenario.policy.name, problem(scenario))
    locate(scenario.model.path)
    prompts = read_prompts(scenario.workload.prompts) if scenario.workload.prompts else None
    open_workload(scenario, prompts)  # fails here, before anything is started
    saved = _saved(scenario, Path(options.resume)) if options.resume else {}
    credentials = Credentials.load(options.credentials) if options.credentials else None
    folder = run_folder(scenario, options.out)
    virtual = scenario.modes.clock == "virtual"
    if virtual and options.monitor:
        raise ScenarioError("--monitor: in virtual time there is nothing to look at while it runs; leave it out")
    clock: Clock = VirtualClock() if virtual else WallClock(scenario.modes.time_scale)
    cluster: Cluster
    if scenario.modes.wire == "inprocess":
        from orchestrator.live.inprocess import InProcess

        cluster = InProcess(scenario, clock, prompts, saved.get)
    else:
        from orchestrator.cluster.ray_cluster import RayCluster

        cluster = RayCluster(scenario, options.address, prompts, saved.get, credentials)
    recorder = Recorder(folder, scenario)
    main = _Run(scenario, options, folder, clock, cluster, recorder, saved).main()
    return run_virtual(main) if virtual else asyncio.run(main)


def _saved(scenario: Scenario, folder: Path) -> dict[str, bytes]:
    """What an earlier run's learners left, by edge. Raises ScenarioError."""
    names = [edge.name for edge in scenario.edges]
    return {name: checkpoint.of_run(folder, setting(scenario.at(name)), checkpoint.file(name, names)) for name in names}


class _Run:
    def __init__(
        self,
        scenario: Scenario,
        options: Options,
        folder: Path,
        clock: Clock,
        cluster: Cluster,
        recorder: Recorder,
        saved: Mapping[str, bytes],
    ) -> None:
        self.scenario, self.options, self.folder, self.saved = scenario, options, folder, saved
        self.clock, self.cluster, self.recorder = clock, cluster, recorder
        self.stopping = asyncio.Event()
        self.cpu: float | None = None
        self.metrics = RunMetrics()
        self.step_s: dict[str, float] = {}
        self.pipeline: dict[str, Any] | None = None
        self.progress = Progress(scenario, recorder)
        self.monitor = Monitor(folder) if options.monitor else None

    async def main(self) -> int:
        started, status = time.monotonic(), 0
        self._listen_for_signals()
        with self.progress:
            try:
                self._say_start()
                status = await self._live()
            except MidstepError as error:
                self._happened(str(error))
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
                self.progress.say(f"midstep: {self.folder} cannot be written ({error}); what its journals hold stays")
                return EXIT_DIED

    async def _live(self) -> int:
        """Open the parts, drive them, close them."""
        opening, stopping = asyncio.ensure_future(self.cluster.open()), asyncio.ensure_future(self.stopping.wait())
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

    def _say(self, lines: list[str]) -> None:
        for line in lines:
            self.progress.say(line)

    def _happened(self, what: str) -> None:
        self.progress.say(f"midstep: {what}")
        self.recorder.event(self.clock.now(), what)

    async def _drive(self, parts: Parts) -> int:
        self._listen_for_signals()  # again: Ray's own handler of SIGTERM, which aborts, has taken its place
        about = parts.cells[0].description
        self.step_s = {cell.name: cell.description.step_s for cell in parts.cells}
        self.pipeline = asdict(about.pipeline)
        centre = "orchestrator"
        exporter = None if self.clock.virtual else Target(export(centre, parts.here), centre, centre)

        def tell_targets() -> None:
            if exporter is not None:
                self._write_targets([*parts.targets, exporter])

        tell_targets()
        self._say_parts(parts)
        if self.monitor is not None:
            self._say(await asyncio.to_thread(self.monitor.start))
        epoch = time.time() + (0.0 if self.clock.virtual else LEAD_S)
        self.clock.begin(epoch)
        starts = [cell.edge.start(epoch) for cell in parts.cells] + [host.start(epoch) for host in parts.hosts]
        await asyncio.gather(*starts)
        scaler = Scaler(self.scenario, parts, epoch, self._scaled, tell_targets)
        loop = SlotLoop(
            self.scenario, parts, self.clock, self.recorder, self.metrics, self._happened, self.saved, tell_targets
        )  # fmt: skip
        psutil.cpu_percent()  # the share from here on
        async with AsyncExitStack() as stack:
            if not self.clock.virtual:
                await stack.enter_async_context(Control(self.folder, scaler))
            timeline = asyncio.create_task(scaler.follow(self.clock), name="timeline")
            stack.callback(timeline.cancel)
            await loop.run(self.stopping, self.progress.show)
        self.cpu = round(psutil.cpu_percent() / 100, 3)
        compared = self.scenario.report.references and self.scenario.modes.denoiser == "real"  # paced pictures are none
        if parts.alive and compared and self.recorder.rows and not self.stopping.is_set():
            await self._compare(parts)
        if self.monitor is not None:
            await asyncio.to_thread(self.monitor.linger)
        return EXIT_DIED if loop.deaths else 0

    def _say_parts(self, parts: Parts) -> None:
        for cell in parts.cells:
            about = cell.description
            self.progress.say(
                f"{about.edge} at {cell.address} (pid {about.process_id}), {about.step_s * 1e3:.1f} ms a step; "
                f"{len(cell.devices)} devices in {len(cell.hosts)} hosts; metrics in {self.folder / 'targets.json'}"
            )
            self.progress.say(
                f"policy {self.scenario.policy.name} decides in the learner (pid {cell.learner.process_id})"
            )
        if self.saved:
            self._happened(f"the learner goes on from what {self.options.resume} left")

    def _scaled(self, what: str) -> None:
        self.metrics.event("scaled")
        self._happened(what)

    async def _compare(self, parts: Parts) -> None:
        self.progress.say(f"making {self.scenario.report.references} pictures again without reuse, to compare")
        making: asyncio.Future[list[list[Gallery] | BaseException]] = asyncio.gather(
            *(host.gallery() for host in parts.hosts), return_exceptions=True
        )
        stopping = asyncio.ensure_future(self.stopping.wait())
        waits: set[asyncio.Future[Any]] = {making, stopping}
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not making.done():
            making.cancel()
            return
        for result in making.result():
            if isinstance(result, PartDied):
                self.recorder.event(self.clock.now(), f"{result} while pictures were compared")
            elif isinstance(result, BaseException):
                raise result
            else:
                self.recorder.compared(result)

    def _finish(self, status: int, wall_s: float) -> int:
        self._write_targets([])
        self.recorder.close()
        rows, slots = [r.dict() for r in self.recorder.rows.values()], [vars(s) for s in self.recorder.slots]
        told = summary.summarise(
            self.scenario, rows, slots, self.recorder.events, self.step_s, wall_s, self.cpu, self.pipeline,
            self.options.resume,
        )  # fmt: skip
        summary.write(self.folder, told)
        path = report.write(self.folder)
        print(headline(told, self.scenario.policy.name))
        print(f"report: {path}")
        missed = summary.missed(told, self.scenario.policy.name, self.scenario.thresholds)
        for line in missed:
            print(line, file=sys.stderr)
        if status == 0 and (missed or (self.options.strict and told["verdict"] != "VALID")):
            return EXIT_MISSED
        return status

    def _write_targets(self, targets: Sequence[Target]) -> None:
        """In the run's folder, and while there are any beside it: a Prometheus can watch one folder of files only."""
        write_targets(self.folder / "targets.json", targets, self.folder.resolve().name)
        beside = self.folder.with_name(f"{self.folder.name}.targets.json")
        with contextlib.suppress(OSError):  # the folder's own file is what counts
            if targets:
                write_targets(beside, targets, self.folder.resolve().name)
            else:
                beside.unlink(missing_ok=True)

    def _say_start(self) -> None:
        model, modes = self.scenario.model, self.scenario.modes
        self.progress.say(
            f"midstep: {self.scenario.name}, model {model.path}, steps {model.steps} cut at {model.split_step}, "
            f"policy {self.scenario.policy.name}, {self.scenario.duration_s:g} s "
            f"({modes.denoiser}, {modes.clock}, {modes.wire})"
        )

    def _listen_for_signals(self) -> None:
        """The first SIGINT or SIGTERM stops the asking, the second everything."""
        loop, main = asyncio.get_running_loop(), asyncio.current_task()

        def stop() -> None:
            if self.stopping.is_set() and main is not None:
                main.cancel()
                return
            self.recorder.event(self.clock.now(), "interrupted: no new requests, those in flight are awaited")
            self.progress.say("midstep: stopping; requests in flight are awaited (again to stop at once)")
            self.stopping.set()

        for name in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(name, stop)


def headline(told: dict, policy: str) -> str:  # type: ignore[type-arg]
    """A run in three lines."""
    m = {name: value["mean"] for name, value in told["policies"][policy].items()}

    def show(name: str, form: str) -> str:
        return "-" if m[name] is None else form.format(m[name])

    return (
        f"{show('requests', '{:.0f}')} pictures, {show('rejected', '{:.0f}')} rejected, "
        f"{show('failed', '{:.0f}')} failed; "
        f"hit ratio {show('hit_ratio', '{:.1%}')}\n"
        f"response p50 {show('p50_s', '{:.2f}')} s, p95 {show('p95_s', '{:.2f}')} s; "
        f"edge time saved {show('saved_ms', '{:.0f}')} ms a request; "
        f"PSNR against no reuse {show('psnr_db', '{:.1f}')} dB\n"
        f"{told['verdict']}"
    )
