"""The course of a run whose parts are open: its time begins, slots pass, events happen, users
come and go, and what was lost is accounted for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass

import psutil

from midstep.telemetry.exporter import Target, export
from orchestrator.live.announcer import announce_cell, requests_line, store_line
from orchestrator.live.cell import Parts
from orchestrator.live.comparison import compare_pictures
from orchestrator.live.faults import Injection, World
from orchestrator.live.launch import Launch
from orchestrator.live.loss_account import account_for
from orchestrator.live.observer import Observer
from orchestrator.live.run_beginning import begin
from orchestrator.live.run_events import RunEvents
from orchestrator.live.run_service import Control
from orchestrator.live.scaling import Scaler
from orchestrator.live.slot_loop import SlotLoop
from orchestrator.live.target_files import write_target_files
from orchestrator.records.reconciliation import answers_lines
from orchestrator.records.recorder import Recorder
from orchestrator.records.rows import SlotProgress
from orchestrator.records.summary import RunFacts
from orchestrator.watch.live import Progress
from orchestrator.watch.monitor import Monitor

__all__ = ["CENTRE", "RunCourse"]

CENTRE = "orchestrator"


@dataclass(kw_only=True)
class RunCourse:
    """One run from where its parts are open to where they may be closed. `facts` are entered as
    they become known; `stopping` ends it early; `began`: whether the run's time has begun."""

    launch: Launch
    recorder: Recorder
    facts: RunFacts
    progress: Progress
    events: RunEvents
    monitor: Monitor | None
    stopping: asyncio.Event
    began: bool = False

    async def to_end(self, parts: Parts) -> None:
        """Drive the parts until the run is over. Raises MidstepError, OSError."""
        self.facts.step_s = {cell.name: cell.description.step_s for cell in parts.cells}
        self.facts.pipeline = asdict(parts.cells[0].description.pipeline)
        self._note_pace(parts)
        self.recorder.began(
            self.facts.step_s, self.facts.pipeline, self.facts.resumed_from, self.facts.pace
        )
        renew_targets = self._targets_of(parts)
        renew_targets()
        self._introduce(parts)
        if self.monitor is not None:
            for line in await asyncio.to_thread(self.monitor.start):
                self.progress.say(line)
        self.began = True
        epoch = await begin(parts, self.launch.clock)
        try:
            await self._slots(parts, epoch, renew_targets)
        finally:
            self._note_pace(parts)
        if parts.alive and self._compares() and not self.stopping.is_set():
            await self._compare(parts)
        if self.monitor is not None:
            await asyncio.to_thread(self.monitor.linger)

    def _note_pace(self, parts: Parts) -> None:
        """Enter what the edges last said of their machines' pace."""
        self.facts.pace = {cell.name: cell.pace for cell in parts.cells if cell.pace is not None}

    def _targets_of(self, parts: Parts) -> Callable[[], None]:
        """What writes the files of targets anew: the parts' exporters and this process's."""
        if self.launch.clock.virtual:
            return lambda: None
        exporter = Target(export(CENTRE, parts.here), CENTRE, CENTRE)
        folder = self.recorder.folder
        return lambda: write_target_files(folder, [*parts.targets, exporter])

    def _introduce(self, parts: Parts) -> None:
        """Say which parts there are, and what they go on from."""
        scenario = self.launch.scenario
        folder = self.recorder.folder
        for cell in parts.cells:
            announce_cell(cell, scenario.policy.name, folder, self.progress.say)
            self.progress.say(store_line(cell, scenario.at(cell.name).edge.capacity))
        if self.launch.requests is not None:
            self.events.announce(requests_line(self.launch.requests, scenario))
        if self.launch.states:
            self.events.announce(f"the learner goes on from what {self.facts.resumed_from} left")

    async def _slots(self, parts: Parts, epoch: float, renew_targets: Callable[[], None]) -> None:
        """Drive the slots, while users may come and go and events happen."""
        scenario = self.launch.scenario
        clock = self.launch.clock
        observer = Observer(
            announce=self.events.announce,
            death=self.events.death,
            renew_targets=renew_targets,
            ending=self.events.ending,
            expects=parts.expects,
        )
        scaler = Scaler(scenario, parts, epoch, clock, self.events.scaled, renew_targets)
        world = World(
            scenario=scenario,
            parts=parts,
            clock=clock,
            scaler=scaler,
            epoch_s=epoch,
            announce=self.events.announce,
            renew_targets=renew_targets,
        )
        loop = SlotLoop(
            scenario,
            parts,
            clock,
            self.recorder,
            self.events.metrics,
            observer,
            self.launch.states,
        )
        psutil.cpu_percent()  # the next call returns the share since this one
        async with AsyncExitStack() as stack:
            if not clock.virtual:
                await stack.enter_async_context(Control(self.recorder.folder, scaler))
            injection = await stack.enter_async_context(Injection(world, self.events.happened))

            def show(progress: SlotProgress) -> None:
                self.progress.show(progress)
                injection.slot_ended(progress)

            await loop.run(self.stopping, show)
        lost = loop.lost_hosts
        self.facts.lost = account_for(
            lost, loop.until_s, self.launch, self.recorder, self.events.announce
        )
        for line in answers_lines(loop.answers, self.recorder.rows.values(), parts.restarted):
            self.events.announce(line)
        self.facts.undisturbed = not lost and not self.stopping.is_set()
        self.facts.cpu_share = round(psutil.cpu_percent() / 100, 3)

    def _compares(self) -> bool:
        """Whether there are pictures to compare; paced runs make none."""
        scenario = self.launch.scenario
        real = scenario.modes.denoiser == "real"
        return bool(scenario.report.references and real and self.recorder.rows)

    async def _compare(self, parts: Parts) -> None:
        done = sum(row.result == "done" for row in self.recorder.rows.values())
        count = min(self.launch.scenario.report.references, done)
        self.progress.say(f"making {count} pictures again without reuse, to compare")
        self.recorder.compared(
            await compare_pictures(parts.hosts, self.stopping, self.events.record)
        )
