"""The slot loop: every tau seconds collect what ended, let the learner decide, and look whether to
go on."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping

from midstep.clock import Clock
from midstep.errors import PartDied
from midstep.scenario import Scenario
from midstep.telemetry.metrics import RunMetrics
from midstep.wire.messages import HITS
from orchestrator.decision.problem import Served, slot_cost
from orchestrator.live.cell import Cell, EdgeStatus, HostPart, Parts
from orchestrator.live.supervisor import LearnerSupervisor
from orchestrator.records.recorder import Recorder
from orchestrator.records.rows import EndedRequest, SlotProgress, SlotRow

GRACE_S = 20.0  # scenario seconds for requests in flight when a run ends
SILENT_S = 1.0  # wall seconds that a slot's end waits for a host
LAST_S = 10.0  # wall seconds, beyond the grace, for a host's last answer
CENSUS_EVERY = 5  # slots between two looks at what the cluster has


class SlotLoop:
    """Drives one run from its start to its last row. `deaths` tells what died. `saved` are the
    states that the edges' learners began with; `renewed` is called when another one has taken over;
    `happened` is told what a reader should know."""

    def __init__(
        self,
        scenario: Scenario,
        parts: Parts,
        clock: Clock,
        recorder: Recorder,
        metrics: RunMetrics,
        happened: Callable[[str], None],
        saved: Mapping[str, bytes],
        renewed: Callable[[], None] = lambda: None,
    ) -> None:
        self._scenario = scenario
        self._parts = parts
        self._clock = clock
        self._recorder = recorder
        self._metrics = metrics
        self._happened = happened
        self._renewed = renewed
        self._supervisors = {
            cell.name: LearnerSupervisor(
                cell, recorder, self._died, happened, saved.get(cell.name), renewed
            )
            for cell in parts.cells
        }
        self._kept = self._commanded = 0
        self._ahead: list[EndedRequest] = []  # drained, but of a slot that is not over yet
        # hosts that have not answered yet
        self._asked: dict[str, asyncio.Future[tuple[list[EndedRequest], bool]]] = {}
        self._looks: dict[str, asyncio.Future[EdgeStatus]] = {}  # edges that have not answered yet
        self._silent: set[str] = set()
        self._closing: list[asyncio.Task[None]] = []  # hosts of edges that died
        self.deaths: list[str] = []

    async def run(self, stopping: asyncio.Event, show: Callable[[SlotProgress], None]) -> None:
        """Until the duration is over, nothing is left to ask, `stopping` is set, or every edge is
        dead."""
        slot = 0
        tau = self._scenario.slot_seconds
        end = self._scenario.duration_s
        self._metrics.event("started")
        while not stopping.is_set() and self._parts.alive:
            boundary = (slot + 1) * tau
            await self._until(boundary, stopping)
            late = max(0.0, self._clock.now() - boundary)
            # who joins while hosts are asked is not idle
            asking = any(cell.devices for cell in self._parts.cells)
            ended, idle = await self._drain()
            glance = await self._end_slot(slot, late, ended)
            show(glance)
            slot += 1
            if (idle and asking) or boundary >= end:
                break
        self._parts.ending = True  # nobody joins any more
        self._metrics.event("stopping")
        await self._stop(slot)
        for name in self._looks:
            self._died(f"{name} is silent at the run's end")
        for supervisor in self._supervisors.values():
            await supervisor.close()
        self._metrics.event("ended")

    async def _until(self, instant_s: float, stopping: asyncio.Event) -> None:
        waits = {
            asyncio.ensure_future(self._clock.sleep_until(instant_s)),
            asyncio.ensure_future(stopping.wait()),
        }
        _, rest = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for task in rest:
            task.cancel()

    async def _end_slot(self, slot: int, late: float, ended: list[EndedRequest]) -> SlotProgress:
        self._metrics.slot_late(late)
        self._judge([late <= 0.02 * max(1.0, self._scenario.slot_seconds)])
        self._metrics.event("slot")
        self._ahead += ended
        rows = await asyncio.gather(
            *(self._account(cell, slot, late) for cell in self._parts.cells)
        )
        self._ahead = [e for e in self._ahead if e.row.slot > slot]
        if self._parts.census is not None and slot % CENSUS_EVERY == 0:
            census = self._parts.census()
            self._metrics.cluster(census.nodes, census.total, census.free)
        hosts = self._parts.hosts
        return SlotProgress(
            self._clock.now(), list(rows), len(hosts), sum(len(host.devices) for host in hosts)
        )

    async def _account(self, cell: Cell, slot: int, late: float) -> SlotRow:
        """One slot's row of one edge, from what ended in it; what was drained early waits for its
        own slot."""
        mine = [e.row for e in self._ahead if e.row.slot <= slot and e.row.edge == cell.name]
        served = [
            Served(r.prompt_key, r.reuse in HITS, r.total_s or 0.0)
            for r in mine
            if r.result == "done"
        ]
        status = await self._status(cell)
        decision = (
            await self._supervisors[cell.name].decide(slot, served) if status is not None else None
        )
        cost = slot_cost(served)
        users = len(cell.devices)
        self._metrics.users(cell.name, users)
        row = SlotRow(
            slot=slot,
            start_s=slot * self._scenario.slot_seconds,
            requests=cost.requests,
            hits=cost.hits,
            misses=cost.misses,
            latency_avg_s=cost.latency_avg_s,
            system_cost_s=cost.system_cost_s,
            late_s=late,
            edge=cell.name,
            users=users,
        )
        if status is not None:
            row.edge_queue = status.queue
            row.edge_in_flight = status.in_flight
        if decision is not None:
            row.queue_s = decision.queue_s
            row.decision_s = decision.decision_s
            row.store_bytes = decision.store_bytes
            row.store_entries = decision.store_entries
            row.admitted = decision.admitted
            row.evicted = decision.evicted
            row.gap_to_exact = decision.gap_to_exact
            row.drift_plus_penalty = decision.drift_plus_penalty
            if decision.stats is not None:
                row.loss = decision.stats.loss
                row.k = decision.stats.k
                row.updates = decision.stats.updates
        self._recorder.slot(row)
        return row

    async def _status(self, cell: Cell) -> EdgeStatus | None:
        """What an edge is doing; None where it is dead: its hosts then stop asking."""
        if cell.over is not None:
            return None
        asked = self._looks.get(cell.name)
        silent = asked is not None
        if asked is None:
            asked = self._looks[cell.name] = asyncio.ensure_future(cell.edge.status())
        await asyncio.wait({asked}, timeout=0.0 if silent else SILENT_S)
        if not asked.done():
            self._silence(cell.name, silent)
            return None
        del self._looks[cell.name]
        try:
            return asked.result()
        except PartDied as error:
            cell.over = str(error)
            others = len(self._parts.alive)
            what = (
                f"{len(cell.devices)} devices fewer, {others} edges go on"
                if others
                else "the run ends"
            )
            self._died(f"{error}: {what}; what was measured is kept")
            self._closing += [
                asyncio.create_task(self._close(host)) for host in cell.hosts if others
            ]
        return None

    async def _close(self, host: HostPart) -> None:
        """Let a host of a dead edge ask no more."""
        host.devices = []
        with contextlib.suppress(PartDied, TimeoutError):
            async with asyncio.timeout(GRACE_S / self._clock.scale + LAST_S):
                await host.stop(GRACE_S)  # what the edge has already answered can be finished

    async def _drain(self) -> tuple[list[EndedRequest], bool]:
        """Everything that ended, recorded; and whether no host has anything left to do."""
        asked = [(cell, host) for cell in self._parts.cells for host in cell.hosts]
        results = await asyncio.gather(*(self._ask(cell, host) for cell, host in asked))
        ended = [one for result in results if result is not None for one in result[0]]
        self._recorder.ended(ended)
        self._judge([_kept(e) for e in ended if e.row.result == "done"])
        return ended, all(result[1] for result in results if result is not None)

    async def _ask(self, cell: Cell, host: HostPart) -> tuple[list[EndedRequest], bool] | None:
        """A host's answer; one that is silent, as its node may have died, is not waited for: it is
        heard later."""
        asked = self._asked.get(host.name)
        silent = asked is not None
        if asked is None:
            asked = self._asked[host.name] = asyncio.ensure_future(host.drain())
        # one second in all, not one a slot
        await asyncio.wait({asked}, timeout=0.0 if silent else SILENT_S)
        if not asked.done():
            self._silence(host.name, silent)
            return [], False
        del self._asked[host.name]
        try:
            return asked.result()
        except PartDied as error:
            self._lost(cell, host, error)
        return None

    def _silence(self, name: str, again: bool) -> None:
        """Tell once of a part that has not answered for two slots."""
        if again and name not in self._silent:
            self._silent.add(name)
            self._happened(f"{name} is silent; the others do not wait for it")

    def _lost(self, cell: Cell, host: HostPart, error: PartDied) -> None:
        cell.hosts.remove(host)
        self._parts.targets[:] = [
            target for target in self._parts.targets if target.process != host.name
        ]
        self._renewed()
        self._died(f"{error}: {len(host.devices)} devices fewer")
        if not cell.hosts and cell.over is None:
            cell.over = str(error)

    async def _last(self, cell: Cell, host: HostPart) -> list[EndedRequest]:
        """Stop a host and take what it leaves; one that stays silent is given up."""
        grace = GRACE_S if cell.over is None else 1.0
        before = self._asked.pop(host.name, None)
        ended = list[EndedRequest]()
        try:
            async with asyncio.timeout(grace / self._clock.scale + LAST_S):
                if before is not None:
                    ended += (await before)[0]
                await host.stop(grace)
                ended += (await host.drain())[0]
        except TimeoutError:
            self._lost(
                cell, host, PartDied(f"{host.name} is silent, what it measured last is lost")
            )
        except PartDied as error:
            self._lost(cell, host, error)
        return ended

    async def _stop(self, slot: int) -> None:
        """Let requests in flight end, and take what they leave."""
        lasts = [self._last(cell, host) for cell in self._parts.cells for host in cell.hosts]
        ended = [one for last in await asyncio.gather(*lasts) for one in last]
        await asyncio.gather(*self._closing)
        self._recorder.ended(ended)
        self._judge([_kept(e) for e in ended if e.row.result == "done"])
        self._ahead += ended
        last = max((e.row.slot for e in self._ahead), default=slot - 1)
        for late_slot in range(slot, last + 1):
            for cell in self._parts.cells:
                await self._account(cell, late_slot, 0.0)
            self._ahead = [e for e in self._ahead if e.row.slot > late_slot]

    def _judge(self, kept: list[bool]) -> None:
        """run_valid: whether 98 % of what was commanded so far was met within its bound."""
        self._kept += sum(kept)
        self._commanded += len(kept)
        self._metrics.valid(self._kept >= 0.98 * self._commanded)

    def _died(self, text: str) -> None:
        self.deaths.append(text)
        self._metrics.event("died")
        self._happened(text)


def _kept(ended: EndedRequest) -> bool:
    row = ended.row
    pairs = ((row.transfer_late_s, row.transfer_s), (row.device_late_s, row.device_s))
    return all(
        late is None or took is None or late <= max(0.02, 0.02 * took) for late, took in pairs
    )
