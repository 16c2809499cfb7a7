"""Starts a run's cells as Ray actors: an edge, its learner and its hosts of devices, and who comes
after them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import ray

from midstep.errors import MidstepError, PartDied
from midstep.radio.fading import DeviceSpec
from midstep.scenario import Scenario
from midstep.telemetry.exporter import Target
from midstep.wire.security import Credentials
from orchestrator.cluster.actors import EdgeActor, HostActor, LearnerActor
from orchestrator.cluster.bounded_waits import at_most, opening
from orchestrator.cluster.headroom import Headroom
from orchestrator.cluster.in_thread import in_thread
from orchestrator.cluster.placement import EDGE_CPUS, HOST_CPUS, LEARNER_CPUS, edge_gpus, spawn
from orchestrator.cluster.ray_session import RaySession
from orchestrator.cluster.remote_edge import RemoteEdge
from orchestrator.cluster.remotes import RemoteHost, RemoteLearner
from orchestrator.live.cell import Cell, HostPart, LearnerPart, learner_name
from orchestrator.live.launch import Launch

__all__ = ["CellStarter"]

# wall seconds at a run's end, for what may be stopped
EDGE_END_S = 3.0
KILL_S = 3.0


class CellStarter:
    """Starts the cells of a launch, once there is a Ray, and ends their actors. `targets` are those
    of the run's metrics so far; `say` gets what is waited for next."""

    def __init__(
        self,
        launch: Launch,
        session: RaySession,
        credentials: Credentials,
        headroom: Headroom,
        say: Callable[[str], None],
    ) -> None:
        self.targets: list[Target] = []
        self._session = session
        self._scenario = launch.scenario
        self._requests = launch.requests
        self._states = launch.states
        self._credentials = credentials
        self._headroom = headroom
        self._say = say
        self._actors: list[Any] = []
        self._edges: list[RemoteEdge] = []
        self._hosts = 0
        self._starting = 0

    async def start(self, number: int, groups: Sequence[Sequence[DeviceSpec]]) -> Cell:
        """Everything of the edge of that number, with a host for each of these groups of devices;
        its processes start side by side, and meet when the edge serves. Raises MidstepError."""
        scenario = self._scenario.at(self._scenario.edges[number].name)
        settings = scenario.edge
        gpus = edge_gpus(self._scenario, number, self._session.gpus)
        numbers = [self._host_number() for _ in groups]  # before anything is waited for

        async def spawn_edge(node: str | None) -> Any:
            return await self._spawn(
                EdgeActor, "edge", EDGE_CPUS, gpus, settings.resources, node=node
            )

        edge = RemoteEdge(scenario, await spawn_edge(None), spawn_edge, self.targets)
        self._edges.append(edge)
        learner = await self._spawn_learner(scenario)
        hosts = [
            await self._spawn_host(host_number, group, HOST_CPUS)
            for host_number, group in zip(numbers, groups, strict=True)
        ]
        self._say(f"{settings.name}: loading {scenario.model.path}, measuring its steps")
        address, _, description, frame_bytes, pace = await edge.open(self._credentials)
        introduce = partial(self._introduce, scenario, address, frame_bytes)
        of_devices = "1 host" if len(hosts) == 1 else f"{len(hosts)} hosts"
        self._say(f"{settings.name}: loading the learner and {of_devices} of devices")
        await opening(
            asyncio.gather(
                introduce(learner, self._states.get(settings.name)),
                *(self._furnish(host, address) for host in hosts),
            ),
            "learner and hosts",
        )

        per_host = scenario.hosts.devices_per_host

        async def another(state: bytes | None) -> LearnerPart:
            fresh = await self._spawn_learner(scenario)
            await opening(introduce(fresh, state), "another learner")
            return fresh

        async def host(devices: Sequence[DeviceSpec]) -> HostPart:
            self._starting += 1  # these have not taken their memory yet
            try:
                self._headroom.check_memory(self._starting, self._starting * per_host)
                cpus = 0.0 if self._headroom.own else HOST_CPUS
                fresh = await self._spawn_host(self._host_number(), devices, cpus)
                try:
                    await opening(self._furnish(fresh, address), fresh.name)
                except BaseException:
                    # one that nobody waits for would take its CPU when there is one
                    fresh.discard()
                    raise
            finally:
                self._starting -= 1
            return fresh

        return Cell(
            description=description,
            edge=edge,
            address=address,
            learner=learner,
            hosts=list(hosts),
            host=host,
            another=another,
            output_bytes=frame_bytes,
            pace=pace,
        )

    async def meet(self, addresses: Mapping[str, str]) -> None:
        """Let the edges meet their neighbours, all at these addresses."""
        for edge in self._edges:
            names = self._scenario.at(edge.name).edge.neighbours
            await edge.meet({name: addresses[name] for name in names})

    async def check_room(self, hosts: int) -> None:
        """Raise ScenarioError where so many hosts more find no memory or no cores, before the first
        of them is started; PartDied where the cluster's head does not answer."""
        await self._headroom.check_hosts(hosts, self._hosts + len(self._edges))

    async def close(self) -> None:
        """End every actor, the edges in order, as far as they do in time."""
        await asyncio.gather(*(_end_edge(edge) for edge in self._edges))
        actors = list(self._actors)
        await at_most(in_thread(lambda: [ray.kill(actor) for actor in actors], "ray-kill"), KILL_S)

    async def _spawn_learner(self, scenario: Scenario) -> RemoteLearner:
        name = learner_name(scenario.edge.name, len(self._scenario.edges))
        return RemoteLearner(name, await self._spawn(LearnerActor, None, LEARNER_CPUS))

    def _host_number(self) -> int:
        """The number of the next host."""
        self._hosts += 1
        return self._hosts - 1

    async def _spawn_host(
        self, number: int, devices: Sequence[DeviceSpec], cpus: float
    ) -> RemoteHost:
        settings = self._scenario.hosts
        actor = await self._spawn(
            HostActor, "devices", cpus, settings.gpus, settings.resources, spread=True
        )
        return RemoteHost(f"host-{number}", actor, devices)

    async def _introduce(
        self,
        scenario: Scenario,
        address: str,
        frame_bytes: int,
        learner: RemoteLearner,
        state: bytes | None,
    ) -> None:
        """Let a learner meet its edge."""
        ref = learner.actor.open.remote(
            scenario, address, self._credentials.public(), frame_bytes, state
        )
        exporter, learner.process_id = await learner.call(ref)
        process = f"learner-{scenario.edge.name}"
        self.targets[:] = [target for target in self.targets if target.process != process]
        self.targets.append(Target(exporter, "learner", process))

    async def _furnish(self, host: RemoteHost, address: str) -> None:
        """Let a host meet its edge, with its devices."""
        references = -(-self._scenario.report.references // max(1, self._hosts))
        ref = host.actor.open.remote(
            self._scenario,
            host.devices,
            address,
            self._credentials.public(),
            self._requests,
            references,
        )
        self.targets.append(Target(await host.call(ref), "host", host.name))

    async def _spawn(self, cls: type, role: str | None, *amounts: Any, **options: Any) -> Any:
        """See placement.spawn, which asks Ray's head; the actor ends with the run. Raises PartDied
        where Ray does not start it."""

        unwanted = threading.Event()

        def make() -> Any:
            actor = spawn(cls, role, self._session.resources, *amounts, **options)
            self._actors.append(actor)
            if unwanted.is_set():  # it would take its CPU when there is one
                ray.kill(actor)
            return actor

        try:
            return await in_thread(make, "ray-spawn")
        except asyncio.CancelledError:
            unwanted.set()
            raise
        except MidstepError:
            raise
        except Exception as error:  # whatever Ray raises without its head
            raise PartDied("Ray starts no process any more") from error


async def _end_edge(edge: RemoteEdge) -> None:
    await at_most(edge.close(), EDGE_END_S)
