"""Every part in this process: no Ray, no gRPC. What virtual time and quick tests run in."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence

from edge_node.node import EdgeNode
from midstep.diffusion.factory import open_denoiser
from midstep.radio.fading import DeviceSpec, specs
from midstep.scenario import Scenario
from midstep.telemetry.record import Gallery
from midstep.workload.requests import open_workload
from orchestrator import policies
from orchestrator.decision.problem import Served
from orchestrator.live.cell import Cell, EdgeStatus, HostPart, Parts, grouped
from orchestrator.live.launch import Launch
from orchestrator.live.learner import Decision, Learner
from orchestrator.live.setting import problem, setting, split_step, whole
from orchestrator.records.rows import EndedRequest
from user_agent.host import DeviceHost


class LocalEdge:
    """See EdgePart."""

    def __init__(self, node: EdgeNode) -> None:
        self._node = node

    async def start(self, epoch_s: float) -> None:
        self._node.edge.clock.begin(epoch_s)

    async def status(self) -> EdgeStatus:
        return edge_status(self._node)


class LocalHost:
    """See HostPart."""

    def __init__(
        self, name: str, host: DeviceHost, devices: Sequence[DeviceSpec], late: bool
    ) -> None:
        self.name = name
        self._host = host
        self.devices = list(devices)
        self._late = late

    async def start(self, epoch_s: float) -> None:
        self._host.start(None if self._late else epoch_s)

    async def drain(self) -> tuple[list[EndedRequest], bool]:
        return drained(self._host)

    async def join(self, devices: Sequence[DeviceSpec]) -> None:
        self._host.join(devices)

    async def leave(self, users: Sequence[int]) -> None:
        self._host.leave(users)

    async def stop(self, grace_s: float) -> None:
        await self._host.stop(grace_s)

    async def gallery(self) -> list[Gallery]:
        return await self._host.gallery()


class LocalLearner:
    """See LearnerPart."""

    def __init__(self, learner: Learner, scenario: Scenario) -> None:
        self._learner = learner
        self._scenario = scenario
        self.process_id = os.getpid()

    async def end_slot(self, slot: int, served: list[Served]) -> Decision:
        return await self._learner.end_slot(slot, served)

    async def checkpoint(self) -> bytes:
        return await self._learner.checkpoint(setting(self._scenario))


class InProcess:
    """See Cluster."""

    def __init__(self, launch: Launch) -> None:
        self._scenario = launch.scenario
        self._clock = launch.clock
        self._states = launch.states
        self._workload = open_workload(launch.scenario, launch.prompts)
        self._stack = contextlib.AsyncExitStack()
        self._hosts = 0

    async def open(self) -> Parts:
        names = [edge.name for edge in self._scenario.edges]
        groups = grouped(specs(self._scenario), names, self._scenario.hosts.devices_per_host)
        return Parts(
            [await self._cell(self._scenario.at(name), groups[name]) for name in names], []
        )

    async def _cell(self, scenario: Scenario, groups: list[list[DeviceSpec]]) -> Cell:
        clock = self._clock
        node = await EdgeNode.open(
            scenario, open_denoiser(scenario, scenario.edge.threads), clock, split_step(scenario)
        )
        self._stack.push_async_callback(node.close)
        hosts = [await self._host(node, group, late=False) for group in groups]
        policy = scenario.policy
        learner = Learner(
            lambda: policies.make(policy),
            problem(scenario, node.frame_bytes),
            scenario.seed,
            node.edge,
            policy.admission == "slot",
            policy.latency_target_s,
            beside=not clock.virtual,
            edge=scenario.edge.name,
        )
        await learner.open(self._states.get(scenario.edge.name))
        learner.start()
        self._stack.push_async_callback(learner.close)
        description = await node.edge.describe()
        return Cell(
            description,
            LocalEdge(node),
            "in-process",
            LocalLearner(learner, scenario),
            list(hosts),
            lambda devices: self._host(node, devices, late=True),
        )

    async def _host(self, node: EdgeNode, devices: Sequence[DeviceSpec], late: bool) -> HostPart:
        """A host of these devices; `late`: it comes when the run's time runs already."""
        scenario = self._scenario
        number = self._hosts
        self._hosts += 1
        host = await DeviceHost.open(
            scenario,
            devices,
            node.edge,
            open_denoiser(scenario, scenario.hosts.threads),
            self._clock,
            self._workload,
            whole=whole(scenario),
            references=-(-scenario.report.references // self._hosts),
        )
        self._stack.push_async_callback(host.close)
        return LocalHost(f"host-{number}", host, devices, late)

    async def close(self) -> None:
        await self._stack.aclose()


def edge_status(node: EdgeNode) -> EdgeStatus:
    """An edge node's status."""
    edge = node.edge
    return EdgeStatus(
        edge.engine.queue_depth, edge.engine.in_flight, edge.store.nbytes, len(edge.store)
    )


def drained(host: DeviceHost) -> tuple[list[EndedRequest], bool]:
    """A host's rows and pictures so far, and whether it is done."""
    return [EndedRequest(finished.row, finished.picture) for finished in host.drain()], host.idle
