"""Collects what ended at a run's hosts: at each slot's end, and for the last time when it ends."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

from midstep.clock import Clock
from midstep.errors import PartDied
from midstep.radio.fading import DeviceSpec
from midstep.telemetry.record import BATTERY_EMPTY
from orchestrator.live.cell import Cell, HostPart, Parts
from orchestrator.live.inquiry import Inquiries
from orchestrator.live.lost_hosts import LostHost
from orchestrator.live.observer import Observer
from orchestrator.records.rows import EndedRequest

__all__ = ["LAST_S", "SILENT_S", "HostCollector"]

SILENT_S = 1.0  # wall seconds that a slot's end waits for a part
LAST_S = 10.0  # wall seconds after the grace period for a host's last answer

Drained = tuple[list[EndedRequest], bool]


class HostCollector:
    """Drains all hosts concurrently. The rows of a host that does not answer in time come with a
    later call; a host that died is removed from its cell, and a cell without hosts is over.
    `grace_s`: scenario seconds for requests in flight when hosts are stopped."""

    def __init__(self, parts: Parts, clock: Clock, observer: Observer, grace_s: float) -> None:
        self._parts = parts
        self._grace_s = grace_s
        self._clock = clock
        self._observer = observer
        self._drains: Inquiries[Drained] = Inquiries(SILENT_S, observer.announce)
        self._dismissals: list[asyncio.Task[None]] = []
        self._empty: set[str] = set()  # classes of devices of which it has been said
        self.lost: list[LostHost] = []

    async def collect(self) -> Drained:
        """Requests that ended since the last call, and whether all hosts have nothing left to
        do."""
        pairs = [(cell, host) for cell in self._parts.cells for host in cell.hosts]
        answers = await asyncio.gather(*(self._drain(cell, host) for cell, host in pairs))
        ended = [one for answer in answers if answer is not None for one in answer[0]]
        self._note_empty(ended)
        return ended, all(answer[1] for answer in answers if answer is not None)

    def _note_empty(self, ended: list[EndedRequest]) -> None:
        """Count devices out whose battery is empty; of the first of each class it is said."""
        gone = {one.row.user for one in ended if one.row.error == BATTERY_EMPTY}
        if not gone:
            return
        for host in self._parts.hosts:
            for spec in host.devices:
                if spec.user in gone and spec.kind not in self._empty:
                    self._empty.add(spec.kind)
                    self._observer.announce(
                        f"the battery of a {spec.kind} is empty: user {spec.user} leaves; the "
                        f"report counts those that follow"
                    )
            host.devices = [spec for spec in host.devices if spec.user not in gone]

    async def stop(self) -> list[EndedRequest]:
        """Stop all hosts, let their requests in flight end, and return the last rows."""
        pairs = [(cell, host) for cell in self._parts.cells for host in cell.hosts]
        last = await asyncio.gather(*(self._stop(cell, host) for cell, host in pairs))
        await asyncio.gather(*self._dismissals)
        return [one for ended in last for one in ended]

    def dismiss(self, cell: Cell, planned: bool = False) -> None:
        """Stop the devices of a dead edge in the background, while the run goes on; `planned`: an
        event killed it."""
        for home in self._parts.cells:
            for host in home.hosts:
                leaving = [spec for spec in host.devices if spec.edge == cell.name]
                if leaving:
                    self._enter_lost(home, leaving, cell.name, dismissed=True, planned=planned)
                    task = asyncio.create_task(self._dismiss(cell.name, host, leaving))
                    self._dismissals.append(task)

    async def _drain(self, cell: Cell, host: HostPart) -> Drained | None:
        """A host's answer; None where it is dead."""
        try:
            answer = await self._drains.ask(host.name, host.drain)
        except PartDied as error:
            self._lose(cell, host, str(error))
            return None
        return ([], False) if answer is None else answer

    async def _stop(self, cell: Cell, host: HostPart) -> list[EndedRequest]:
        """A host's last rows; one that stays silent is given up."""
        # some devices may have been handed over to an edge that lives
        grace_s = self._grace_s if cell.over is None or host.devices else 1.0
        open_drain = self._drains.withdraw(host.name)
        ended = list[EndedRequest]()
        try:
            async with asyncio.timeout(grace_s / self._clock.scale + LAST_S):
                if open_drain is not None:
                    ended += (await open_drain)[0]
                await host.stop(grace_s)
                ended += (await host.drain())[0]
        except TimeoutError:
            self._lose(cell, host, f"{host.name} is silent, what it measured last is lost")
        except PartDied as error:
            self._lose(cell, host, str(error))
        return ended

    async def _dismiss(self, edge: str, host: HostPart, leaving: Sequence[DeviceSpec]) -> None:
        """Let devices of a dead edge leave, and end their host where it has no others."""
        host.devices = [spec for spec in host.devices if spec.edge != edge]
        with contextlib.suppress(PartDied, TimeoutError):
            async with asyncio.timeout(self._grace_s / self._clock.scale + LAST_S):
                if host.devices:
                    await host.leave([spec.user for spec in leaving])
                else:  # what the edge has already answered can be finished
                    await host.stop(self._grace_s)

    def _lose(self, cell: Cell, host: HostPart, why: str) -> None:
        cell.hosts.remove(host)
        text = f"{why}: {len(host.devices)} devices fewer"
        planned = self._observer.part_died(host.name, text)
        self._enter_lost(cell, host.devices, host.name, planned=planned)
        self._parts.targets[:] = [
            target for target in self._parts.targets if target.process != host.name
        ]
        self._observer.renew_targets()
        if not cell.hosts and not cell.devices and cell.over is None:
            cell.over = why

    def _enter_lost(
        self,
        cell: Cell,
        devices: Sequence[DeviceSpec],
        who: str,
        *,
        dismissed: bool = False,
        planned: bool = False,
    ) -> None:
        """Note whose arrivals nobody sends any more."""
        lost = LostHost(
            devices=tuple(devices),
            since_s=cell.since_s,
            at_s=self._clock.now(),
            who=who,
            dismissed=dismissed,
            planned=planned,
        )
        self.lost.append(lost)
