"""All parts in this process, without Ray and gRPC: for virtual time and quick tests."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from edge_node.node import EdgeNode
from midstep.radio.fading import DeviceSpec, specs
from midstep.scenario import Scenario
from midstep.telemetry.record import Gallery
from midstep.workload.arrivals import open_law
from midstep.workload.requests import open_workload
from orchestrator.decision.problem import Served
from orchestrator.live.cell import Cell, EdgeStatus, HostPart, Parts, grouped
from orchestrator.live.launch import Launch
from orchestrator.live.learner import Learner
from orchestrator.live.learner_start import open_learner
from orchestrator.live.part_answers import edge_status, ended_requests
from orchestrator.live.setting import asks_whole_prompt, run_split_step
from orchestrator.live.slot_decision import Decision
from orchestrator.records.rows import EndedRequest
from user_agent.host import DeviceHost
from user_agent.shared_link import Band, open_band

__all__ = ["InProcess", "LocalEdge", "LocalHost", "LocalLearner"]


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

    async def start(self, epoch_s: float, since_s: float = 0.0) -> None:
        self._host.start(None if self._late else epoch_s, since_s)

    async def drain(self) -> tuple[list[EndedRequest], bool]:
        return ended_requests(self._host)

    async def join(self, devices: Sequence[DeviceSpec], since_s: float) -> None:
        self._host.join(devices, since_s)

    async def leave(self, users: Sequence[int]) -> None:
        self._host.leave(users)

    async def in_flight(self) -> int:
        return self._host.in_flight

    async def stop(self, grace_s: float) -> None:
        await self._host.stop(grace_s)

    async def gallery(self) -> list[Gallery]:
        return await self._host.gallery()


class LocalLearner:
    """See LearnerPart."""

    def __init__(self, learner: Learner) -> None:
        self._learner = learner
        self.process_id = os.getpid()

    async def begin_slot(self, slot: int, expected: int) -> None:
        await self._learner.begin_slot(slot, expected)

    async def end_slot(self, slot: int, served: list[Served]) -> Decision:
        return await self._learner.end_slot(slot, served)

    async def checkpoint(self, setting: Mapping[str, Any]) -> bytes:
        return await self._learner.checkpoint(setting)


class InProcess:
    """See Cluster."""

    def __init__(self, launch: Launch) -> None:
        self._scenario = launch.scenario
        self._clock = launch.clock
        self._states = launch.states
        self._workload = open_workload(launch.scenario, launch.requests)
        self._law = open_law(launch.scenario, launch.requests)
        self._stack = contextlib.AsyncExitStack()
        self._hosts = 0
        self._references = 0  # of each host

    async def open(self, say: Callable[[str], None]) -> Parts:
        say(f"loading {self._scenario.model.path} for every edge and host, measuring its steps")
        names = [edge.name for edge in self._scenario.edges]
        groups = grouped(specs(self._scenario), names, self._scenario.hosts.devices_per_host)
        hosts = sum(len(of_edge) for of_edge in groups.values())
        self._references = -(-self._scenario.report.references // max(1, hosts))
        return Parts(
            [await self._cell(self._scenario.at(name), groups[name]) for name in names], []
        )

    async def _cell(self, scenario: Scenario, groups: list[list[DeviceSpec]]) -> Cell:
        clock = self._clock
        node = await EdgeNode.open(
            scenario,
            clock,
            split_step=run_split_step(scenario),
            whole_prompt=asks_whole_prompt(scenario),
        )
        self._stack.push_async_callback(node.close)
        band = open_band(scenario, clock)
        hosts = []
        for group in groups:
            hosts.append(await self._host(node, group, band))
            await asyncio.sleep(0)  # of many, a Ctrl-C is heard between two
        state = self._states.get(scenario.edge.name)
        learner = await open_learner(
            scenario, node.edge, node.frame_bytes, state, beside=not clock.virtual
        )
        self._stack.push_async_callback(learner.close)
        description = await node.edge.describe()
        return Cell(
            description=description,
            edge=LocalEdge(node),
            address="in-process",
            learner=LocalLearner(learner),
            hosts=list(hosts),
            host=lambda devices: self._host(node, devices, band, late=True),
            output_bytes=node.frame_bytes,
            pace=node.pace,
        )

    async def _host(
        self,
        node: EdgeNode,
        devices: Sequence[DeviceSpec],
        band: Band | None,
        late: bool = False,
    ) -> HostPart:
        """Open a host of these devices, on the `band` that the edge's devices share, if they do;
        `late`: the run's time runs already."""
        scenario = self._scenario
        number = self._hosts
        self._hosts += 1
        host = await DeviceHost.open(
            scenario,
            devices,
            node.edge,
            self._clock,
            self._workload,
            references=self._references,
            law=self._law,
            band=band,
        )
        self._stack.push_async_callback(host.close)
        return LocalHost(f"host-{number}", host, devices, late)

    async def close(self) -> None:
        await self._stack.aclose()
