"""Devices and links that change: the room of `midstep.events.run.FaultyDevices`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from midstep.errors import ScenarioError
from midstep.events.changes import DeviceChange
from midstep.radio.fading import DeviceSpec
from orchestrator.live.cell import HostPart
from orchestrator.live.faults.room import Room, World
from orchestrator.live.scaling import or_dead

__all__ = ["Links"]


@dataclass(frozen=True, kw_only=True)
class _Wanted:
    """A change, and whose devices it is for."""

    change: DeviceChange
    kind: str | None
    users: frozenset[int] | None
    edge: str | None

    def meets(self, spec: DeviceSpec) -> bool:
        """Whether a device is meant."""
        return (
            self.kind in (None, spec.kind)
            and self.edge in (None, spec.edge)
            and (self.users is None or spec.user in self.users)
        )


class Links(Room):
    """See FaultyDevices. Who comes while a change lasts has it from the start, but for a walk."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._lasting: dict[str, _Wanted] = {}  # by cause
        world.scaler.greet = self._greet

    async def change_devices(
        self,
        change: DeviceChange,
        *,
        kind: str | None = None,
        users: Sequence[int] | None = None,
        edge: str | None = None,
    ) -> int:
        chosen = None if users is None else frozenset(users)
        wanted = _Wanted(change=change, kind=kind, users=chosen, edge=edge)
        lifted = change == DeviceChange(cause=change.cause)
        pairs = [
            (host, [spec.user for spec in host.devices if wanted.meets(spec)])
            for host in self.world.parts.hosts
        ]
        number = sum(len(members) for _, members in pairs)
        if lifted:
            self._lasting.pop(change.cause, None)
        elif not number:
            raise ScenarioError("no such device is there")
        elif change.distance_m is None:  # who comes later has not walked
            self._lasting[change.cause] = wanted
        for host, members in pairs:
            if members:
                await or_dead(host.change(change, members))
        return number

    async def _greet(self, host: HostPart, devices: Sequence[DeviceSpec]) -> None:
        """Let devices that come have the changes that last."""
        for wanted in self._lasting.values():
            members = [spec.user for spec in devices if wanted.meets(spec)]
            if members:
                await or_dead(host.change(wanted.change, members))
