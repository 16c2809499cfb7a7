"""A run's parts on a Ray: it is opened, the cells start in it, their edges meet, and all of it is
closed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import ray

from midstep.radio.fading import specs
from midstep.wire.certificates import ephemeral
from midstep.wire.security import Credentials, is_loopback
from orchestrator.cluster import capacity
from orchestrator.cluster.cell_starter import CellStarter
from orchestrator.cluster.head_life import start_fails, unless
from orchestrator.cluster.headroom import Headroom
from orchestrator.cluster.nodes import ClusterNodes
from orchestrator.cluster.placement import check_gpus, edge_gpus
from orchestrator.cluster.ray_session import RaySession
from orchestrator.cluster.remotes import Remote
from orchestrator.live.cell import Parts, grouped
from orchestrator.live.launch import Launch
from orchestrator.records.centre import Centre

__all__ = ["RayCluster"]


class RayCluster:
    """See Cluster. The launch's `address` None starts Ray on this machine; `auto` or HOST:PORT
    joins a running one."""

    def __init__(self, launch: Launch) -> None:
        self._launch = launch
        self._centre = Centre.here(str(launch.folder))
        self._session = RaySession(launch.address, self._centre)
        self._starter: CellStarter | None = None  # until there is a Ray

    async def open(self, say: Callable[[str], None]) -> Parts:
        scenario = self._launch.scenario
        session = self._session
        names = [edge.name for edge in scenario.edges]
        hosts = capacity.hosts(scenario)
        headroom = Headroom(scenario, session.own)
        headroom.check_memory(hosts, scenario.users)  # before anything is made for each user
        groups = grouped(specs(scenario), names, scenario.hosts.devices_per_host)
        say("starting Ray" if session.own else f"joining Ray at {session.address}")
        await session.open(len(names), hosts)
        gpus = sum(edge_gpus(scenario, n, session.gpus) for n in range(len(names)))
        check_gpus(gpus + scenario.hosts.gpus * hosts, session.gpus)
        starter = CellStarter(self._launch, session, self._credentials(), headroom, say)
        self._starter = starter
        opened = asyncio.gather(*(starter.start(n, groups[name]) for n, name in enumerate(names)))
        cells = await unless(opened, start_fails(self._centre.pid))
        await starter.meet({cell.name: cell.address for cell in cells})
        parts = Parts(
            cells=list(cells),
            targets=starter.targets,
            here=ray.util.get_node_ip_address(),
            census=session.census,
            check_room=starter.check_room,
        )
        parts.nodes = ClusterNodes(lambda: _remotes(parts))
        return parts

    async def close(self) -> None:
        """See Cluster. What does not end in time is ended by force; nothing waits for ever."""
        try:
            if await self._session.begun():
                if self._starter is not None:
                    await self._starter.close()
                await self._session.leave()
        finally:
            await self._session.end()

    def _credentials(self) -> Credentials:
        """The launch's, or fresh ones: with TLS where an edge may serve beyond this machine."""
        if self._launch.credentials is not None:
            return self._launch.credentials
        listens = [f"{host}:0" for host in self._session.node_addresses]
        listens += [edge.address for edge in self._launch.scenario.edges if edge.address]
        return ephemeral(tls=not all(map(is_loopback, listens)))


def _remotes(parts: Parts) -> list[Remote]:
    """The run's processes, those of cells that have ended left out."""
    processes = [part for cell in parts.alive for part in (cell.edge, cell.learner, *cell.hosts)]
    return [part for part in processes if isinstance(part, Remote)]
