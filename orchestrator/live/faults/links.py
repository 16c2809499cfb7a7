"""Devices and links that change: the room of `midstep.events.run.FaultyDevices`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from midstep.errors import ScenarioError
from midstep.events.changes import DeviceChange
from midstep.radio.fading import DeviceSpec
from orchestrator.live.cell import HostPart
from orchestrator.live.faults.room import Room, World
from orchestrator.live.scaling import or_dead

__all__ = ["Links"]


@dataclass(frozen=True, kw_only=True)
class _Lasting:
    """A change that lasts: whose devices it is for, and the users whose devices have it."""

    change: DeviceChange
    kind: str | None
    users: frozenset[int] | None
    edge: str | None
    having: set[int] = field(default_factory=set)

    def meets(self, spec: DeviceSpec) -> bool:
        """Whether a device is meant."""
        return (
            self.kind in (None, spec.kind)
            and self.edge in (None, spec.edge)
            and (self.users is None or spec.user in self.users)
        )


class Links(Room):
    """See FaultyDevices. Who comes while a change lasts has it from the start, but for a walk; who
    is handed over has the changes of the edge that it asks then."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._lasting: dict[str, _Lasting] = {}  # by cause
        world.scaler.greet = self._greet

    async def change_devices(
        self,
        change: DeviceChange,
        *,
        kind: str | None = None,
        users: Sequence[int] | None = None,
        edge: str | None = None,
    ) -> int:
        hosts = self.world.parts.hosts
        former = self._lasting.pop(change.cause, None)
        if change == DeviceChange(cause=change.cause):
            having = set() if former is None else former.having
            return sum([await self._change(host, change, having) for host in hosts])
        chosen = None if users is None else frozenset(users)
        lasting = _Lasting(change=change, kind=kind, users=chosen, edge=edge)
        lasting.having.update(
            spec.user for host in hosts for spec in host.devices if lasting.meets(spec)
        )
        if not lasting.having:
            raise ScenarioError("no such device is there")
        if change.distance_m is None:  # who comes later has not walked
            self._lasting[change.cause] = lasting
        return sum([await self._change(host, change, lasting.having) for host in hosts])

    async def _change(self, host: HostPart, change: DeviceChange, users: set[int]) -> int:
        """Change those devices of a host that are among some users'; how many."""
        members = [spec.user for spec in host.devices if spec.user in users]
        if members:
            await or_dead(host.change(change, members))
        return len(members)

    async def _greet(self, host: HostPart, devices: Sequence[DeviceSpec]) -> None:
        """Let devices that come, or ask another edge from now on, have the changes that are for
        them, and no others."""
        for lasting in self._lasting.values():
            meant = {spec.user for spec in devices if lasting.meets(spec)}
            former = {spec.user for spec in devices} - meant
            for change, users in (
                (lasting.change, meant - lasting.having),
                (DeviceChange(cause=lasting.change.cause), former & lasting.having),
            ):
                if users:
                    await or_dead(host.change(change, sorted(users)))
            lasting.having.difference_update(former)
            lasting.having.update(meant)
