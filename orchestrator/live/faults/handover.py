"""Users who ask another edge: the room of `midstep.events.run.FaultyHandover`."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import replace

from midstep.errors import PartDied, ScenarioError
from midstep.events.changes import DeviceChange
from midstep.radio import places
from midstep.radio.fading import DeviceSpec
from orchestrator.live.cell import Cell, HostPart
from orchestrator.live.faults.room import Room
from orchestrator.live.scaling import PATIENCE_S

__all__ = ["Handover"]


class Handover(Room):
    """See FaultyHandover. A device stays on its host, whichever edge it asks: its requests, its
    link and its battery go on as they were."""

    def asking(self, kind: str | None = None, edge: str | None = None) -> dict[int, str]:
        return {
            spec.user: spec.edge
            for cell in self.world.parts.alive
            for spec in cell.devices
            if kind in (None, spec.kind) and edge in (None, spec.edge)
        }

    async def hand_over(self, users: Sequence[int], edge: str) -> int:
        world = self.world
        target = next((cell for cell in world.parts.alive if cell.name == edge), None)
        if target is None:
            raise ScenarioError(f"{edge} is not alive: nobody can be handed over to it")
        if world.parts.ending:
            raise ScenarioError("the run is ending: nobody is handed over any more")
        moving = {user for user, former in self.asking().items() if former != edge}
        moving.intersection_update(users)
        hosts = world.parts.hosts
        await asyncio.gather(*(self._hand_over(host, moving, target) for host in hosts))
        return len(moving.intersection(self.asking(None, edge)))

    async def _hand_over(self, host: HostPart, moving: set[int], target: Cell) -> None:
        """Hand the devices of one host over; a host that is dead or silent keeps its own."""
        some = [spec.user for spec in host.devices if spec.user in moving]
        if not some:
            return
        with contextlib.suppress(PartDied, TimeoutError):
            async with asyncio.timeout(PATIENCE_S):
                await host.hand_over(some, target.name, target.address)
            place_m = self.world.scenario.at(target.name).edge.place_m
            host.devices = [
                _at(spec, target.name, place_m) if spec.user in moving else spec
                for spec in host.devices
            ]
            if self.world.scaler.greet is not None:
                moved = [spec for spec in host.devices if spec.user in moving]
                await self.world.scaler.greet(host, moved)
            for spec in host.devices:
                if spec.user in some and spec.place_m is not None:
                    change = DeviceChange(cause="hand over", distance_m=spec.distance_m)
                    await host.change(change, [spec.user])


def _at(spec: DeviceSpec, edge: str, place_m: tuple[float, float] | None) -> DeviceSpec:
    """A device that asks another edge, which stands there; without places it is as far as
    before."""
    if spec.place_m is None or place_m is None:
        return replace(spec, edge=edge)
    return replace(spec, edge=edge, distance_m=places.distance_m(spec.place_m, place_m))
