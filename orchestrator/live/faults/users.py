"""Users who come and go: the room of `midstep.events.run.FaultyUsers`."""

from __future__ import annotations

from collections import defaultdict

from midstep.errors import ScenarioError
from midstep.radio.fading import DeviceSpec
from orchestrator.live.faults.room import Room, World

__all__ = ["Users"]


class Users(Room):
    """See FaultyUsers."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        # by class and edge, as they were named when they left
        self._away: defaultdict[tuple[str, str | None], list[DeviceSpec]] = defaultdict(list)

    def users(self, edge: str | None = None) -> int:
        return self.world.scaler.count(edge)

    async def scale(self, users: int, edge: str | None = None) -> int:
        return await self.world.scaler.bring(users, edge)

    async def leave(self, kind: str, share: float = 1.0, edge: str | None = None) -> int:
        leaving = await self.world.scaler.leave(kind, share, edge)
        if not leaving:
            raise ScenarioError(f"no device of class {kind} is there")
        self._away[kind, edge] += leaving
        return len(leaving)

    async def come_back(self, kind: str, edge: str | None = None) -> int:
        return len(await self.world.scaler.come_back(self._away.pop((kind, edge), [])))
