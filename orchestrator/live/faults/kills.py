"""Processes that are killed: the room of `midstep.events.run.FaultyProcesses`."""

from __future__ import annotations

from midstep.errors import MidstepError, ScenarioError
from midstep.events.run import Part
from orchestrator.live.cell import EdgePart, HostPart, LearnerPart, Nodes
from orchestrator.live.faults.room import Room

__all__ = ["Kills"]


class Kills(Room):
    """See FaultyProcesses."""

    async def names(self, part: Part) -> list[str]:
        if part == "node":
            return await self._nodes().names()
        return list(self._parts(part))

    async def kill(self, part: Part, name: str, hard: bool) -> str:
        how = "at once" if hard else "in order"
        expected = self.world.parts.expected_deaths
        if part == "node":
            nodes = self._nodes()
            dying = await nodes.parts(name)
            expected.update(dying)
            await nodes.kill(name, hard)
            return f"node {name}, {how}, with {', '.join(dying)}"
        parts = self._parts(part)
        if name not in parts:
            raise ScenarioError(
                f"there is no {part} {name[:60]}; the run has {', '.join(parts) or 'none'}"
            )
        one = parts[name]
        expected.add(one.name)
        try:
            await one.kill(hard)
        except MidstepError:
            expected.discard(one.name)
            raise
        return f"{one.name}, {how}"

    def _parts(self, part: Part) -> dict[str, EdgePart | HostPart | LearnerPart]:
        """The parts of a kind that live, by the names that an event knows them by."""
        cells = self.world.parts.alive
        if part == "edge":
            return {cell.name: cell.edge for cell in cells}
        if part == "learner":
            return {cell.name: cell.learner for cell in cells}
        return {host.name: host for cell in cells for host in cell.hosts}

    def _nodes(self) -> Nodes:
        """The cluster's nodes. Raises ScenarioError where the run has none."""
        if self.world.parts.nodes is None:
            raise ScenarioError("this run has no nodes that could be killed: it uses no Ray")
        return self.world.parts.nodes
