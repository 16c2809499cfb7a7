"""The slot loop: every tau seconds collect what ended, let the learner decide, and look whether to
go on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from midstep.clock import Clock
from midstep.errors import EdgeUnreachable, PartDied
from midstep.scenario import Scenario
from midstep.telemetry.writers import RunMetrics
from orchestrator.live.cell import Cell, EdgeStatus, Parts
from orchestrator.live.head_watch import HeadWatch
from orchestrator.live.host_collector import LAST_S, SILENT_S, HostCollector
from orchestrator.live.in_flight import requests_in_flight
from orchestrator.live.inquiry import Inquiries
from orchestrator.live.lost_hosts import LostHost
from orchestrator.live.membership import Membership
from orchestrator.live.observer import Observer
from orchestrator.live.setting import learner_setting
from orchestrator.live.slot_accounts import SlotAccounts
from orchestrator.live.supervisor import LearnerSupervisor
from orchestrator.records.recorder import Recorder
from orchestrator.records.rows import EndedRequest, SlotProgress, SlotRow

__all__ = ["SlotLoop"]

ROUNDING = 1e-6  # of a slot: an end that is nearer to a boundary is on it


class SlotLoop:
    """Drives one run from its start to its last row. `states`: the saved states that the learners
    began with, by edge."""

    def __init__(
        self,
        scenario: Scenario,
        parts: Parts,
        clock: Clock,
        recorder: Recorder,
        metrics: RunMetrics,
        observer: Observer,
        states: Mapping[str, bytes],
    ) -> None:
        self._scenario = scenario
        self._parts = parts
        self._clock = clock
        self._metrics = metrics
        self._observer = observer
        self._supervisors = {
            cell.name: LearnerSupervisor(
                cell,
                recorder,
                observer,
                states.get(cell.name),
                learner_setting(scenario.at(cell.name), cell.description.pipeline.revision),
            )
            for cell in parts.cells
        }
        self._membership = Membership(parts.cells, recorder)
        self._recorder = recorder
        self._accounts = SlotAccounts(scenario, recorder, metrics)
        self._hosts = HostCollector(parts, clock, observer, scenario.grace_s)
        self._edges: Inquiries[EdgeStatus] = Inquiries(SILENT_S, observer.announce)
        self._head = HeadWatch(parts.census, metrics, observer)
        self.until_s = scenario.duration_s  # users asked until then, once the run has ended
        self.answers: dict[str, int] = {}  # that each edge has given, of those that lived to say

    async def run(self, stopping: asyncio.Event, show: Callable[[SlotProgress], None]) -> None:
        """Run until the duration is over, no device has requests left, `stopping` is set, every
        edge is dead, or the cluster's head does not answer; `show` gets each whole slot."""
        self._metrics.event("started")
        self._head.start()
        slots, cut = await self._whole_slots(stopping, show)
        self._parts.ending = True  # no device may join any more
        self.until_s = min(self._clock.now(), self._scenario.duration_s)
        self._recorder.asking_ended(self.until_s)
        self._metrics.event("stopping")
        await self._end(slots, cut)
        await self._count_answers()
        for name in self._edges.silent:
            self._observer.death(f"{name} is silent at the run's end")
        for supervisor in self._supervisors.values():
            await supervisor.close()
        await self._head.close()
        self._metrics.event("ended")

    @property
    def lost_hosts(self) -> list[LostHost]:
        """Hosts that died."""
        return self._hosts.lost

    async def _whole_slots(
        self, stopping: asyncio.Event, show: Callable[[SlotProgress], None]
    ) -> tuple[int, bool]:
        """Drive the whole slots; returns how many, and whether the run ended within one more."""
        slot = 0
        tau = self._scenario.slot_seconds
        end = self._scenario.duration_s
        self._begin_slot(slot)
        while not stopping.is_set() and self._parts.alive and not self._head.gone.is_set():
            boundary = (slot + 1) * tau
            await self._until(min(boundary, end), stopping)
            late_s = self._clock.now() - boundary
            # read before `collect`: a device that joins meanwhile must not count as idle
            asking = any(cell.devices for cell in self._parts.cells)
            ended, idle = await self._hosts.collect()
            self._accounts.add(ended)
            if late_s < -ROUNDING * tau:  # a slot cut short: its row waits for requests in flight
                return slot, True
            late_s = max(0.0, late_s)
            self._accounts.note_slot_end(late_s)
            rows = await self._end_slot(slot, late_s)
            show(self._progress(rows, ended))
            self._membership.note(self._parts.cells, self._clock.now())
            slot += 1
            if boundary >= end - ROUNDING * tau:
                break
            if idle and asking:
                self._observer.announce(
                    f"nobody has a request left: the run ends {end - boundary:g} s early"
                )
                break
            self._begin_slot(slot)
        return slot, False

    def _begin_slot(self, slot: int) -> None:
        """Let the learners of coupled edges plan for the requests that come at a slot's start."""
        slotted = self._scenario.workload.arrivals.slotted
        if self._scenario.modes.edge != "coupled" or slotted is None:
            return
        for cell in self._parts.alive:
            expected = len(cell.devices) * slotted.per_user
            if expected:
                self._supervisors[cell.name].begin(slot, expected)

    async def _until(self, instant_s: float, stopping: asyncio.Event) -> None:
        waits = {
            asyncio.ensure_future(self._clock.sleep_until(instant_s)),
            asyncio.ensure_future(stopping.wait()),
            asyncio.ensure_future(self._head.gone.wait()),
        }
        _, rest = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for task in rest:
            task.cancel()

    async def _end(self, slots: int, cut: bool) -> None:
        """Let requests in flight end, and account for the slots in which they end, the slot that
        was cut short first."""
        if not self._clock.virtual and (in_flight := await requests_in_flight(self._parts)):
            self._observer.ending(in_flight)
        self._accounts.add(await self._hosts.stop())
        last = max(self._accounts.last_slot, slots if cut else slots - 1)
        for slot in range(slots, last + 1):
            await self._end_slot(slot, None)

    async def _count_answers(self) -> None:
        """Ask every edge how many answers it has given; one that has died meanwhile is told."""
        await asyncio.gather(*(self._count_of(cell) for cell in self._parts.alive))

    async def _count_of(self, cell: Cell) -> None:
        """One edge's answers; one that has not been silent before has some time for it."""
        silent = cell.name in self._edges.silent
        status = await self._status(cell)
        if status is None and cell.over is None and not silent:
            await self._edges.settle(cell.name, LAST_S)
            status = await self._status(cell)
        if status is not None:
            self.answers[cell.name] = status.answers
            self._accounts.ticks(cell, status)

    async def _end_slot(self, slot: int, late_s: float | None) -> list[SlotRow]:
        """A slot's rows, one an edge."""
        cells = self._parts.cells
        rows = await asyncio.gather(*(self._account(cell, slot, late_s) for cell in cells))
        self._accounts.close(slot)
        return list(rows)

    async def _account(self, cell: Cell, slot: int, late_s: float | None) -> SlotRow:
        served = self._accounts.served(cell.name, slot)
        status = await self._status(cell)
        decision = None
        if status is not None:
            decision = await self._supervisors[cell.name].decide(slot, served)
        return self._accounts.write(cell, slot, late_s, served, status, decision)

    async def _status(self, cell: Cell) -> EdgeStatus | None:
        """An edge's status; None where it is silent, restarts, or is dead: its hosts are then
        stopped."""
        if cell.over is not None:
            return None
        try:
            status = await self._edges.ask(cell.name, cell.edge.status)
            if status is not None:
                cell.pace = status.pace or cell.pace
                for notice in status.notices:
                    self._observer.announce(f"{cell.name}: {notice}")
            return status
        except EdgeUnreachable:
            return None
        except PartDied as error:
            cell.over = str(error)
        others = len(self._parts.alive)
        devices = len(cell.devices)
        follows = f"{devices} devices fewer, {others} edges go on" if others else "the run ends"
        if self._parts.ending:
            follows = "the run was ending"
        text = f"{cell.over}: {follows}; what was measured is kept"
        planned = self._observer.part_died(cell.name, text)
        if others and not self._parts.ending:
            self._hosts.dismiss(cell, planned)
        return None

    def _progress(self, rows: list[SlotRow], ended: list[EndedRequest]) -> SlotProgress:
        hosts = self._parts.hosts
        devices = sum(len(host.devices) for host in hosts)
        requests = [one.row for one in ended if not one.again]
        return SlotProgress(self._clock.now(), rows, len(hosts), devices, requests)
