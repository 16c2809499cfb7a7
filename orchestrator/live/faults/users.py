"""Users who come and go: the room of `midstep.events.run.FaultyUsers`."""

from __future__ import annotations

from orchestrator.live.faults.room import Room

__all__ = ["Users"]


class Users(Room):
    """See FaultyUsers."""

    def users(self, edge: str | None = None) -> int:
        return self.world.scaler.count(edge)

    async def scale(self, users: int, edge: str | None = None) -> int:
        return await self.world.scaler.bring(users, edge)
