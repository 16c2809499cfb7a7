"""Starts a run's processes as Ray actors, on this machine or on a cluster: who is placed where, and
who ends them."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

import ray
import ray.exceptions

from midstep.errors import ScenarioError
from midstep.radio.fading import DeviceSpec, specs
from midstep.scenario import Scenario
from midstep.telemetry.exporter import Target
from midstep.wire.certificates import ephemeral
from midstep.wire.security import is_loopback
from orchestrator.cluster import capacity
from orchestrator.cluster.actors import EdgeActor, HostActor, LearnerActor
from orchestrator.cluster.guard import Guard
from orchestrator.cluster.head import check_reachable, surrounding
from orchestrator.cluster.head_life import OwnHead, head_dies, start_fails, unless
from orchestrator.cluster.in_thread import in_thread
from orchestrator.cluster.leavings import end_processes, forget, note, processes_of
from orchestrator.cluster.nodes import ClusterNodes
from orchestrator.cluster.placement import (
    EDGE_CPUS,
    HOST_CPUS,
    LEARNER_CPUS,
    check_gpus,
    edge_gpus,
    spawn,
)
from orchestrator.cluster.remote_edge import RemoteEdge
from orchestrator.cluster.remotes import Remote, RemoteHost, RemoteLearner
from orchestrator.live.cell import Cell, HostPart, LearnerPart, Parts, grouped, learner_name
from orchestrator.live.launch import Launch
from orchestrator.records.centre import Centre

__all__ = ["OPEN_S", "RayCluster", "opening"]

T = TypeVar("T")
OPEN_S = 300  # a large model is read, and perhaps downloaded, in this time
# wall seconds at a run's end; who takes longer, as a stopped process or Ray without its head does,
# is ended by force
INIT_END_S = 10.0  # for Ray to have started, where that was interrupted
EDGE_END_S = 3.0
KILL_S = 3.0
SHUTDOWN_S = 8.0


async def opening(opened: Awaitable[T], what: str) -> T:
    """Await the start of a part. Raises ScenarioError where the cluster has no room for it, instead
    of waiting for ever."""
    try:
        # a task of its own: of a `gather` that is cancelled, wait_for leaves the outcome unread
        return await asyncio.wait_for(_settled(opened), OPEN_S)
    except TimeoutError as error:
        raise ScenarioError(
            f"{what} did not start within {OPEN_S} s: the cluster has no free CPU, GPU or memory "
            f"for it"
        ) from error


async def _settled(ref: Awaitable[T]) -> T:
    return await ref


async def _at_most(outcome: Awaitable[object], seconds: float) -> None:
    """Await what Ray does at a run's end, so long; what it raises then changes nothing."""
    with contextlib.suppress(ray.exceptions.RayError, TimeoutError, RuntimeError, ValueError):
        await asyncio.wait_for(outcome, seconds)


def _remotes(parts: Parts) -> list[Remote]:
    """The run's processes, those of cells that have ended left out."""
    processes = [part for cell in parts.alive for part in (cell.edge, cell.learner, *cell.hosts)]
    return [part for part in processes if isinstance(part, Remote)]


class RayCluster:
    """See Cluster. The launch's `address` None starts Ray on this machine; `auto` or HOST:PORT
    joins a running one."""

    def __init__(self, launch: Launch) -> None:
        self._scenario = launch.scenario
        self._address = launch.address or surrounding()
        self._address_from = "--address" if launch.address else "RAY_ADDRESS"
        self._requests = launch.requests
        self._states = launch.states
        self._credentials = launch.credentials
        self._actors: list[Any] = []
        self._edges: list[RemoteEdge] = []
        self._targets: list[Target] = []
        self._hosts = self._starting = 0
        self._init_call: asyncio.Future[None] | None = None
        self._centre = Centre.here(str(launch.folder))
        self._guard: Guard | None = None  # where a Ray is started
        self._started = False
        self._say: Callable[[str], None] = print  # until `open` is told where to

    async def open(self, say: Callable[[str], None]) -> Parts:
        self._say = say
        scenario = self._scenario
        names = [edge.name for edge in scenario.edges]
        hosts = capacity.hosts(scenario)
        self._check_memory(hosts, scenario.users)  # before anything is made for each user
        groups = grouped(specs(scenario), names, scenario.hosts.devices_per_host)
        say("starting Ray" if self._address is None else f"joining Ray at {self._address}")
        if self._address is None:
            note(self._centre)
            with contextlib.suppress(OSError):  # a run can do without
                self._guard = Guard(self._centre)
        self._init_call = in_thread(lambda: self._init(hosts), "ray-init", stays=True)
        # a thread cannot be cancelled: close waits for it
        await unless(asyncio.shield(self._init_call), head_dies())
        check_gpus(
            sum(edge_gpus(scenario, n) for n in range(len(names))) + scenario.hosts.gpus * hosts
        )
        if self._credentials is None:
            listens = [f"{node['NodeManagerAddress']}:0" for node in ray.nodes() if node["Alive"]]
            listens += [edge.address for edge in scenario.edges if edge.address]
            self._credentials = ephemeral(tls=not all(map(is_loopback, listens)))
        opened = asyncio.gather(*(self._cell(n, groups[name]) for n, name in enumerate(names)))
        cells = await unless(opened, start_fails(self._centre.pid))
        await self._meet({cell.name: cell.address for cell in cells})
        parts = Parts(
            cells=list(cells),
            targets=self._targets,
            here=ray.util.get_node_ip_address(),
            census=OwnHead().census,
            check_room=self._check_room,
        )
        parts.nodes = ClusterNodes(lambda: _remotes(parts))
        return parts

    async def _cell(self, number: int, groups: Sequence[Sequence[DeviceSpec]]) -> Cell:
        """Everything of one edge; its processes start side by side, and meet when the edge
        serves."""
        scenario = self._scenario.at(self._scenario.edges[number].name)
        settings = scenario.edge
        gpus = edge_gpus(self._scenario, number)
        edge = RemoteEdge(
            scenario,
            lambda node: self._spawn(
                EdgeActor, "edge", EDGE_CPUS, gpus, settings.resources, node=node
            ),
            opening,
            self._targets,
        )
        self._edges.append(edge)
        learner = self._spawn_learner(scenario)
        hosts = [self._spawn_host(group, HOST_CPUS) for group in groups]
        assert self._credentials is not None
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
            fresh = self._spawn_learner(scenario)
            await opening(introduce(fresh, state), "another learner")
            return fresh

        async def host(devices: Sequence[DeviceSpec]) -> HostPart:
            self._starting += 1  # these have not taken their memory yet
            try:
                self._check_memory(self._starting, self._starting * per_host)
                fresh = self._spawn_host(devices, HOST_CPUS if self._address else 0.0)
                try:
                    await opening(self._furnish(fresh, address), fresh.name)
                except BaseException:
                    # one that nobody waits for would take its CPU when there is one
                    ray.kill(fresh.actor)
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

    async def _meet(self, addresses: Mapping[str, str]) -> None:
        """Let the edges meet their neighbours, all at these addresses."""
        for edge in self._edges:
            names = self._scenario.at(edge.name).edge.neighbours
            await edge.meet({name: addresses[name] for name in names})

    def _spawn_learner(self, scenario: Scenario) -> RemoteLearner:
        name = learner_name(scenario.edge.name, len(self._scenario.edges))
        return RemoteLearner(name, self._spawn(LearnerActor, None, LEARNER_CPUS))

    def _spawn_host(self, devices: Sequence[DeviceSpec], cpus: float) -> RemoteHost:
        number = self._hosts
        settings = self._scenario.hosts
        self._hosts += 1
        actor = self._spawn(
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
        assert self._credentials is not None
        ref = learner.actor.open.remote(
            scenario, address, self._credentials.public(), frame_bytes, state
        )
        exporter, learner.process_id = await learner.call(ref)
        process = f"learner-{scenario.edge.name}"
        self._targets[:] = [target for target in self._targets if target.process != process]
        self._targets.append(Target(exporter, "learner", process))

    async def _furnish(self, host: RemoteHost, address: str) -> None:
        """Let a host meet its edge, with its devices."""
        assert self._credentials is not None
        references = -(-self._scenario.report.references // max(1, self._hosts))
        ref = host.actor.open.remote(
            self._scenario,
            host.devices,
            address,
            self._credentials.public(),
            self._requests,
            references,
        )
        self._targets.append(Target(await host.call(ref), "host", host.name))

    async def close(self) -> None:
        """See Cluster. What does not end in time is ended by force; nothing waits for ever."""
        try:
            if self._init_call is not None:
                await asyncio.wait({self._init_call}, timeout=INIT_END_S)
                if not self._init_call.done():
                    self._init_call.cancel()  # the rest of it is told to nobody
                elif self._started:
                    await self._end_actors()
        finally:
            if self._address is None:
                await asyncio.to_thread(self._end_ray)

    async def _end_actors(self) -> None:
        await asyncio.gather(*(self._end_edge(edge) for edge in self._edges))
        actors = list(self._actors)
        await _at_most(in_thread(lambda: [ray.kill(actor) for actor in actors], "ray-kill"), KILL_S)
        await _at_most(in_thread(ray.shutdown, "ray-shutdown"), SHUTDOWN_S)

    async def _end_edge(self, edge: RemoteEdge) -> None:
        await _at_most(edge.close(), EDGE_END_S)

    def _end_ray(self) -> None:
        """End by force what is left of the Ray that this run started."""
        left = processes_of(self._centre.pid)
        if left:
            end_processes(left)
        if self._guard is not None:
            self._guard.release()
        forget(self._centre)

    def _init(self, hosts: int) -> None:
        """Start or join Ray. Raises AddressError, ScenarioError, one line."""
        if self._address is not None:
            check_reachable(self._address, self._address_from)
        needed = (EDGE_CPUS + LEARNER_CPUS) * len(self._scenario.edges) + HOST_CPUS * hosts
        try:
            if self._address is None:
                # a laptop may be asked for more processes than cores
                cpus = max(os.cpu_count() or 1, int(needed + 1))
                ray.init(
                    # "local": without it Ray would join one that a killed run has noted here
                    address="local",
                    num_cpus=cpus,
                    include_dashboard=False,
                    log_to_driver=False,
                    logging_level="ERROR",
                )
            else:
                ray.init(address=self._address, log_to_driver=False, logging_level="ERROR")
        except Exception as error:
            what = "started" if self._address is None else f"joined at {self._address}"
            raise ScenarioError(
                f"Ray cannot be {what}: {(str(error) or repr(error)).splitlines()[0]}"
            ) from error
        self._started = True
        have = ray.cluster_resources().get("CPU", 0)
        if have < needed:
            raise ScenarioError(
                f"the cluster has {have:g} CPUs, {len(self._scenario.edges)} edges and {hosts} "
                f"hosts need {needed:g}: "
                f"raise hosts.devices_per_host"
            )

    def _spawn(self, *place: Any, **options: Any) -> Any:
        """See placement.spawn; the actor ends with the run."""
        actor = spawn(*place, **options)
        self._actors.append(actor)
        return actor

    def _check_memory(self, hosts: int, users: int) -> None:
        """Raise ScenarioError where this machine cannot carry so many processes."""
        if self._address is None:
            capacity.check_memory(self._scenario, hosts, users)

    def _check_room(self, hosts: int) -> None:
        """Raise ScenarioError where so many hosts more find no memory or no cores, before the first
        of them is started."""
        if hosts == 0:
            return
        if self._address is None:
            users = hosts * self._scenario.hosts.devices_per_host
            capacity.check_memory(self._scenario, hosts, users)
            capacity.check_cores(hosts, self._hosts + len(self._edges))
            return
        free = ray.available_resources().get("CPU", 0.0)
        if HOST_CPUS * hosts > free:
            raise ScenarioError(
                f"{hosts} hosts more need {HOST_CPUS * hosts:g} CPUs, the cluster has {free:g} "
                f"free: ask for fewer users, or begin with a larger hosts.devices_per_host"
            )
