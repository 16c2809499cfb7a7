"""Scaling of a live run: which devices leave, which join, and on which hosts."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Awaitable, Callable, Sequence

from midstep.apportion import apportion
from midstep.clock import Clock
from midstep.errors import OptionError, PartDied, ScenarioError
from midstep.radio.fading import DeviceSpec, Newcomers, specs
from midstep.scenario import Scenario
from midstep.tree import MOST_USERS
from midstep.units import excerpt
from orchestrator.live.cell import Cell, HostPart, Parts
from orchestrator.live.device_bounds import check_devices

__all__ = ["PATIENCE_S", "Scaler", "or_dead"]

PATIENCE_S = 10.0  # wall seconds that a host has to let devices come or go


class Scaler:
    """Changes the number of devices of a live run: `midstep scale`, and the scenario's timeline.

    The devices that came last leave first; each is removed when its requests in flight have ended,
    so that none is lost. A new device gets a number that no device had before; hosts are filled up
    to devices_per_host before new ones are started. Hosts without devices stay until the run ends,
    with what they have measured. The arrivals of a new device count from when its host is told of
    it, by the run's `clock`. `announce` gets what `scale` did, in words; `renew_targets` is called
    when hosts were added. `greet`, which others may set, is called with devices that have come, or
    that ask another edge from now on, and their host; before they ask where the host is new.
    """

    def __init__(
        self,
        scenario: Scenario,
        parts: Parts,
        epoch_s: float,
        clock: Clock,
        announce: Callable[[str], None],
        renew_targets: Callable[[], None] = lambda: None,
    ) -> None:
        self._scenario = scenario
        self._parts = parts
        self._epoch_s = epoch_s
        self._clock = clock
        self._announce = announce
        self._renew_targets = renew_targets
        self._newcomers = Newcomers(scenario)
        first = specs(scenario)
        self._weights = {
            edge.name: sum(spec.edge == edge.name for spec in first) for edge in scenario.edges
        }
        self._turn = asyncio.Lock()
        self.greet: Callable[[HostPart, Sequence[DeviceSpec]], Awaitable[None]] | None = None

    @property
    def users(self) -> int:
        """Devices that the run has now."""
        return self.count()

    def count(self, edge: str | None = None) -> int:
        """Devices that the run, or one edge of it, has now."""
        return sum(len(cell.devices) for cell in self._parts.alive if edge in (None, cell.name))

    async def scale(self, users: int, edge: str | None = None) -> int:
        """`bring`, and announce what came of it."""
        return await self._change(users, edge, self._announce)

    async def bring(self, users: int, edge: str | None = None) -> int:
        """Bring the run, or one edge of it, to `users` devices; returns how many the run then has.

        Raises OptionError or ScenarioError, one line, where that is impossible: if possible before
        anything is changed; otherwise the changes made so far stay.
        """
        return await self._change(users, edge, lambda _: None)

    async def _change(self, users: int, edge: str | None, announce: Callable[[str], None]) -> int:
        if users < 0:
            raise OptionError(f"--users {users}: a run cannot have fewer than 0")
        if users > MOST_USERS:
            raise OptionError(f"--users {excerpt(users)}: a run has at most {MOST_USERS}")
        check_devices(self._scenario, users)
        async with self._turn:
            self._check(None)
            cells = [cell for cell in self._parts.alive if edge in (None, cell.name)]
            if not cells:
                names = ", ".join(cell.name for cell in self._parts.alive) or "none"
                raise OptionError(f"no edge {edge or ''} is alive; the run has {names}")
            before = self.users
            counts = apportion(users, [self._weights[cell.name] for cell in cells])
            pairs = list(zip(cells, counts, strict=True))
            if self._parts.check_room is not None:
                more = sum(self._more_hosts(cell, count) for cell, count in pairs)
                await self._parts.check_room(more)
            try:
                for cell, count in pairs:
                    await self._bring(cell, count)
            finally:
                announce(f"scaled from {before} to {self.users} users")
            return self.users

    async def leave(self, kind: str, share: float, edge: str | None) -> list[DeviceSpec]:
        """Let a `share` of the devices of a class leave, of the run or of one edge, of each edge
        those that came last; returns them. Raises ScenarioError where none can."""
        async with self._turn:
            self._check(None)
            leaving = list[DeviceSpec]()
            for cell in self._parts.alive:
                if edge in (None, cell.name):
                    of_class = [spec for spec in cell.devices if spec.kind == kind]
                    of_class.sort(key=lambda spec: spec.user)
                    some = of_class[len(of_class) - math.ceil(share * len(of_class)) :]
                    await self._dismiss(some)
                    leaving += some
            return leaving

    async def come_back(self, devices: Sequence[DeviceSpec]) -> list[DeviceSpec]:
        """Let devices come that have left, each to its edge where that is alive, under a new
        number: none is used twice. Returns them with those. Raises ScenarioError as `scale`."""
        async with self._turn:
            self._check(None)
            coming = self._newcomers.renumbered(devices)
            of_cell = {
                cell.name: [spec for spec in coming if spec.edge == cell.name]
                for cell in self._parts.alive
            }
            if self._parts.check_room is not None:
                await self._parts.check_room(
                    sum(
                        self._more_hosts(cell, len(cell.devices) + len(of_cell[cell.name]))
                        for cell in self._parts.alive
                    )
                )
            for cell in self._parts.alive:
                await self._admit(cell, of_cell[cell.name])
            return [spec for some in of_cell.values() for spec in some]

    def _more_hosts(self, cell: Cell, users: int) -> int:
        """How many hosts must be started for a cell to have `users` users."""
        per = self._scenario.hosts.devices_per_host
        free = sum(max(0, per - len(host.devices)) for host in cell.hosts)
        more = users - len(cell.devices) - free
        return -(-more // per) if more > 0 else 0

    async def _bring(self, cell: Cell, users: int) -> None:
        surplus = len(cell.devices) - users
        if surplus > 0:
            await self._dismiss(sorted(cell.devices, key=lambda spec: spec.user)[-surplus:])
        elif surplus < 0:
            await self._admit(cell, self._newcomers.come(cell.name, cell.devices, -surplus))

    async def _dismiss(self, devices: Sequence[DeviceSpec]) -> None:
        """Let devices leave."""
        leaving = {spec.user for spec in devices}
        for host in self._parts.hosts:  # who was handed over lives with another cell
            going = [spec.user for spec in host.devices if spec.user in leaving]
            if going:
                host.devices = [spec for spec in host.devices if spec.user not in leaving]
                await or_dead(host.leave(going))

    async def _admit(self, cell: Cell, coming: Sequence[DeviceSpec]) -> None:
        """Let devices come to a cell: to hosts with room, and to new ones."""
        per = self._scenario.hosts.devices_per_host
        for host in list(cell.hosts):
            some = coming[: max(0, per - len(host.devices))]
            coming = coming[max(0, per - len(host.devices)) :]
            if some:
                self._check(cell)
                host.devices = [*host.devices, *some]
                await or_dead(host.join(some, self._come(cell, some)))
                if self.greet is not None:
                    await self.greet(host, some)
        if not coming:
            return
        groups = [coming[i : i + per] for i in range(0, len(coming), per)]
        opened = await asyncio.gather(
            *(self._host(cell, group) for group in groups), return_exceptions=True
        )
        self._renew_targets()
        for result in opened:
            if isinstance(result, BaseException):
                raise result

    async def _host(self, cell: Cell, group: Sequence[DeviceSpec]) -> None:
        host = await cell.host(group)
        self._check(cell)
        # before `start`: a host whose devices send requests must be drained and stopped at the end,
        # even where this call fails
        cell.hosts.append(host)
        if self.greet is not None:
            await self.greet(host, group)
        await or_dead(host.start(self._epoch_s, self._come(cell, group)))

    def _come(self, cell: Cell, devices: Sequence[DeviceSpec]) -> float:
        """Note that devices come now; the instant, scenario seconds."""
        now = self._clock.now()
        cell.since_s.update((spec.user, now) for spec in devices)
        return now

    def _check(self, cell: Cell | None) -> None:
        """Raise ScenarioError where no device can join any more. Call it right before each call
        that adds devices: the run may have ended during the last `await`."""
        if self._scenario.workload.prompts is not None:
            raise ScenarioError(
                "a list of prompts is dealt out to its users when a run starts: none can come or go"
            )
        if self._parts.ending:
            raise ScenarioError("the run is ending: nobody comes or goes any more")
        if cell is not None and cell.over is not None:
            raise ScenarioError(f"{cell.name} has died meanwhile ({cell.over})")


async def or_dead(call: Awaitable[object]) -> None:
    """Await a call to a host, unless the host is dead or silent: a death is noticed at the slot's
    end, and a host that was silent carries the call out when it runs again."""
    with contextlib.suppress(PartDied, TimeoutError):
        await asyncio.wait_for(call, PATIENCE_S)
