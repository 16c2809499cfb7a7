"""Users come and go while a run lives: who leaves, who joins, and on which hosts."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence

from midstep.apportion import apportion
from midstep.clock import Clock
from midstep.errors import MidstepError, PartDied, ScenarioError
from midstep.radio.fading import DeviceSpec, Newcomers, specs
from midstep.scenario import Scenario
from orchestrator.live.cell import Cell, Parts

PATIENCE_S = 10.0  # wall seconds that a host has to let devices come or go


class Scaler:
    """Changes the number of devices of a live run: `midstep scale`, and the scenario's timeline.

    Who leaves came last, and is gone when its requests in flight have ended: none is lost. Who
    joins gets a number that nobody had before; hosts are filled up to devices_per_host before new
    ones are started. Hosts that have become empty stay, with what they have measured. `happened` is
    told what became of it, `renewed` that hosts were added.
    """

    def __init__(
        self,
        scenario: Scenario,
        parts: Parts,
        epoch_s: float,
        happened: Callable[[str], None],
        renewed: Callable[[], None] = lambda: None,
    ) -> None:
        self._scenario = scenario
        self._parts = parts
        self._epoch_s = epoch_s
        self._happened = happened
        self._renewed = renewed
        self._newcomers = Newcomers(scenario)
        first = specs(scenario)
        self._weights = {
            edge.name: sum(spec.edge == edge.name for spec in first) for edge in scenario.edges
        }
        self._turn = asyncio.Lock()

    @property
    def users(self) -> int:
        """Devices that the run has now."""
        return sum(len(cell.devices) for cell in self._parts.alive)

    async def scale(self, users: int, edge: str | None = None) -> int:
        """Let the run, or one edge of it, have `users` devices; how many it has then, in all.
        Raises ScenarioError, one line, where that cannot be; what could be done of it stays."""
        if users < 0:
            raise ScenarioError(f"--users {users}: a run cannot have fewer than 0")
        if self._scenario.workload.prompts is not None:
            raise ScenarioError(
                "a list of prompts is dealt out to its users when a run starts: none can come or go"
            )
        async with self._turn:
            self._check(None)
            cells = [cell for cell in self._parts.alive if edge in (None, cell.name)]
            if not cells:
                names = ", ".join(cell.name for cell in self._parts.alive) or "none"
                raise ScenarioError(f"no edge {edge or ''} is alive; the run has {names}")
            before = self.users
            counts = apportion(users, [self._weights[cell.name] for cell in cells])
            try:
                for cell, count in zip(cells, counts, strict=True):
                    await self._bring(cell, count)
            finally:
                self._happened(f"scaled from {before} to {self.users} users")
            return self.users

    async def follow(self, clock: Clock) -> None:
        """Do what the scenario's timeline says, when it says so."""
        for event in sorted(self._scenario.timeline, key=lambda event: event.at_s):
            await clock.sleep_until(event.at_s)
            try:
                await self.scale(event.users, event.edge)
            except MidstepError as error:
                self._happened(f"timeline at {event.at_s:g} s: {error}")

    async def _bring(self, cell: Cell, users: int) -> None:
        surplus = len(cell.devices) - users
        if surplus > 0:
            await self._fewer(cell, surplus)
        elif surplus < 0:
            await self._more(cell, -surplus)

    async def _fewer(self, cell: Cell, number: int) -> None:
        leaving = {spec.user for spec in sorted(cell.devices, key=lambda spec: spec.user)[-number:]}
        for host in list(cell.hosts):
            going = [spec.user for spec in host.devices if spec.user in leaving]
            if going:
                host.devices = [spec for spec in host.devices if spec.user not in leaving]
                await _or_dead(host.leave(going))

    async def _more(self, cell: Cell, number: int) -> None:
        coming = self._newcomers.come(cell.name, cell.devices, number)
        per = self._scenario.hosts.devices_per_host
        for host in list(cell.hosts):
            some = coming[: max(0, per - len(host.devices))]
            coming = coming[max(0, per - len(host.devices)) :]
            if some:
                self._check(cell)
                host.devices = [*host.devices, *some]
                await _or_dead(host.join(some))
        if not coming:
            return
        groups = [coming[i : i + per] for i in range(0, len(coming), per)]
        opened = await asyncio.gather(
            *(self._host(cell, group) for group in groups), return_exceptions=True
        )
        self._renewed()
        for failed in opened:
            if isinstance(failed, BaseException):
                raise failed

    async def _host(self, cell: Cell, group: Sequence[DeviceSpec]) -> None:
        host = await cell.host(group)
        self._check(cell)
        # first: whoever asks is also drained and stopped, whatever becomes of this call
        cell.hosts.append(host)
        await _or_dead(host.start(self._epoch_s))

    def _check(self, cell: Cell | None) -> None:
        """Raise ScenarioError where nobody can join any more; call it right before the call that
        lets them."""
        if self._parts.ending:
            raise ScenarioError("the run is ending: nobody comes or goes any more")
        if cell is not None and cell.over is not None:
            raise ScenarioError(f"{cell.name} has died meanwhile ({cell.over})")


async def _or_dead(call: Awaitable[None]) -> None:
    """A host that died is found, and told, at a slot's end; one that is silent will do it when it
    wakes."""
    with contextlib.suppress(PartDied, TimeoutError):
        await asyncio.wait_for(call, PATIENCE_S)
