"""The nodes of a Ray cluster that an event may kill."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable

import ray

from midstep.errors import PartDied, ScenarioError
from orchestrator.cluster.beside import beside
from orchestrator.cluster.remotes import ANSWER_S, Remote

__all__ = ["ClusterNodes"]

HEAD = "node:__internal_head__"  # a resource that Ray gives to one node


class ClusterNodes:
    """See Nodes. `remotes` are the run's processes now."""

    def __init__(self, remotes: Callable[[], Iterable[Remote]]) -> None:
        self._remotes = remotes

    async def names(self) -> list[str]:
        own = await beside(_own_nodes, ANSWER_S)
        return sorted((await self._inhabited()).keys() - own)

    async def parts(self, name: str) -> list[str]:
        return [remote.name for remote in await self._on(name)]

    async def kill(self, name: str, hard: bool) -> None:
        remote = (await self._on(name))[0]
        with contextlib.suppress(PartDied, TimeoutError):
            async with asyncio.timeout(ANSWER_S):
                await remote.call(remote.actor.end_node.remote(hard))

    async def _on(self, name: str) -> list[Remote]:
        """The run's processes on the node whose id begins like that."""
        names = [node for node in await self.names() if node.startswith(name)]
        if len(names) != 1:
            raise ScenarioError(
                f"kill: {len(names)} nodes have an id that begins with {name[:60]}; those that run "
                f"devices or edges, and are neither Ray's head nor this machine, are "
                f"{', '.join(await self.names()) or 'none'}"
            )
        return (await self._inhabited())[names[0]]

    async def _inhabited(self) -> dict[str, list[Remote]]:
        """The run's processes by node; one that is dead or silent is nowhere."""
        remotes = [*self._remotes()]
        places = await asyncio.gather(
            *(remote.place() for remote in remotes), return_exceptions=True
        )
        nodes: dict[str, list[Remote]] = {}
        for remote, place in zip(remotes, places, strict=True):
            if not isinstance(place, BaseException):
                nodes.setdefault(place.node, []).append(remote)
        return nodes


def _own_nodes() -> set[str]:
    """The nodes that the run needs itself: Ray's head, and this one. Blocks."""
    heads = {node["NodeID"] for node in ray.nodes() if HEAD in node["Resources"]}
    return heads | {ray.get_runtime_context().get_node_id()}
