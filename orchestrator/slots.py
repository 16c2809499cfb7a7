"""The slot loop: every tau seconds collect what ended, let the learner decide, and look whether to go on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from midstep.clock import Clock
from midstep.errors import PartDied
from midstep.metrics import counter, gauge, histogram
from midstep.scenario import Scenario
from orchestrator.keeper import Keeper
from orchestrator.parts import EdgeStatus, Ended, HostPart, Parts
from orchestrator.problem import Served, slot_cost
from orchestrator.recorder import Recorder, SlotRow

HITS = ("exact", "similar", "final")
GRACE_S = 20.0  # scenario seconds for requests in flight when a run ends


@dataclass(frozen=True)
class Glance:
    """A slot in passing, for whoever shows progress."""

    at_s: float
    row: SlotRow
    edge: EdgeStatus | None
    hosts: int
    devices: int


class SlotLoop:
    """Drives one run from its start to its last row. `deaths` tells what died; `over` what ended the run by dying.
    `saved` is the state that the learner began with; `renewed` is called when another one has taken over."""

    def __init__(
        self, scenario: Scenario, parts: Parts, clock: Clock, recorder: Recorder, say: Callable[[str], None],
        saved: bytes | None = None, renewed: Callable[[], None] = lambda: None,
    ) -> None:  # fmt: skip
        self._scenario, self._parts, self._clock, self._recorder, self._say = scenario, parts, clock, recorder, say
        self._keeper = Keeper(parts, recorder, self._died, self._happened, saved, renewed)
        self._kept = self._commanded = 0
        self._ahead: list[Ended] = []  # drained, but of a slot that is not over yet
        self.deaths: list[str] = []
        self.over: str | None = None

    async def run(self, stopping: asyncio.Event, show: Callable[[Glance], None]) -> None:
        """Until the duration is over, nothing is left to ask, `stopping` is set, or the edge is dead."""
        slot, tau, end = 0, self._scenario.slot_seconds, self._scenario.duration_s
        counter("scenario_events_total", "started").inc()
        while not stopping.is_set() and self.over is None and self._parts.hosts:
            boundary = (slot + 1) * tau
            await self._until(boundary, stopping)
            late = max(0.0, self._clock.now() - boundary)
            ended, idle = await self._drain()
            glance = await self._end_slot(slot, late, ended)
            show(glance)
            slot += 1
            if idle or boundary >= end:
                break
        counter("scenario_events_total", "stopping").inc()
        await self._stop(slot)
        await self._keeper.close()

    async def _until(self, instant_s: float, stopping: asyncio.Event) -> None:
        waits = {
            asyncio.ensure_future(self._clock.sleep_until(instant_s)),
            asyncio.ensure_future(stopping.wait()),
        }
        _, rest = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for task in rest:
            task.cancel()

    async def _end_slot(self, slot: int, late: float, ended: list[Ended]) -> Glance:
        histogram("lateness_seconds", "slot").observe(late)
        self._judge([late <= 0.02 * max(1.0, self._scenario.slot_seconds)])
        counter("scenario_events_total", "slot").inc()
        self._ahead += ended
        row = await self._account(slot, late)
        status: EdgeStatus | None = None
        try:
            status = await self._parts.edge.status()
        except PartDied as error:
            self._died(f"{error}: the run ends; what was measured is kept")
            self.over = str(error)
        hosts = self._parts.hosts
        return Glance(self._clock.now(), row, status, len(hosts), sum(host.devices for host in hosts))

    async def _account(self, slot: int, late: float) -> SlotRow:
        """One slot's row, from what ended in it; what was drained early waits for its own slot."""
        mine = [e.row for e in self._ahead if e.row.slot <= slot]
        self._ahead = [e for e in self._ahead if e.row.slot > slot]
        served = [Served(r.prompt_key, r.reuse in HITS, r.total_s or 0.0) for r in mine if r.result == "done"]
        decision = await self._keeper.decide(slot, served) if self.over is None else None
        cost = slot_cost(served)
        row = SlotRow(
            slot, slot * self._scenario.slot_seconds, cost.requests, cost.hits, cost.misses, cost.latency_avg_s,
            cost.system_cost_s, late,
        )  # fmt: skip
        if decision is not None:
            row.queue_s, row.decision_s = decision.queue_s, decision.decision_s
            row.store_bytes, row.store_entries = decision.store_bytes, decision.store_entries
            row.admitted, row.evicted = decision.admitted, decision.evicted
            row.gap_to_exact = decision.gap_to_exact
            if decision.stats is not None:
                row.loss, row.k = decision.stats.loss, decision.stats.k
        self._recorder.slot(row)
        return row

    async def _drain(self) -> tuple[list[Ended], bool]:
        """Everything that ended, recorded; and whether no host has anything left to do."""
        results = await asyncio.gather(*(self._ask(host) for host in list(self._parts.hosts)))
        ended = [one for result in results if result is not None for one in result[0]]
        self._recorder.ended(ended)
        self._judge([_kept(e) for e in ended if e.row.result == "done"])
        return ended, all(result[1] for result in results if result is not None)

    async def _ask(self, host: HostPart) -> tuple[list[Ended], bool] | None:
        try:
            return await host.drain()
        except PartDied as error:
            self._parts.hosts.remove(host)
            self._died(f"{error}: {host.devices} devices fewer")
            if not self._parts.hosts:
                self.over = str(error)
        return None

    async def _stop(self, slot: int) -> None:
        """Let requests in flight end, and take what they leave."""
        grace = GRACE_S if self.over is None else 1.0
        stops = [host.stop(grace) for host in self._parts.hosts]
        for result in await asyncio.gather(*stops, return_exceptions=True):
            if isinstance(result, BaseException) and not isinstance(result, PartDied):
                raise result
        self._ahead += (await self._drain())[0]
        last = max((e.row.slot for e in self._ahead), default=slot - 1)
        for late_slot in range(slot, last + 1):
            await self._account(late_slot, 0.0)

    def _judge(self, kept: list[bool]) -> None:
        """run_valid: whether 98 % of what was commanded so far was met within its bound."""
        self._kept += sum(kept)
        self._commanded += len(kept)
        gauge("run_valid").set(float(self._kept >= 0.98 * self._commanded))

    def _died(self, text: str) -> None:
        self.deaths.append(text)
        self._happened(text)

    def _happened(self, text: str) -> None:
        self._recorder.event(self._clock.now(), text)
        self._say(f"midstep: {text}")


def _kept(ended: Ended) -> bool:
    row = ended.row
    pairs = ((row.transfer_late_s, row.transfer_s), (row.device_late_s, row.device_s))
    return all(late is None or took is None or late <= max(0.02, 0.02 * took) for late, took in pairs)
