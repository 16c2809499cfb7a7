"""All parts in this process, without Ray and gRPC: for virtual time and quick tests."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any

from edge_node.node import EdgeNode
from midstep.errors import PartDied, ScenarioError
from midstep.events.changes import DeviceChange
from midstep.radio.fading import DeviceSpec, specs
from midstep.scenario import Scenario
from midstep.telemetry.record import Gallery
from midstep.wire.messages import EdgePort
from midstep.workload.arrivals import open_law
from midstep.workload.requests import open_workload
from orchestrator.decision.problem import Served
from orchestrator.live.cell import Cell, HostPart, Parts, grouped, learner_name
from orchestrator.live.launch import Launch
from orchestrator.live.learner import Learner
from orchestrator.live.learner_start import open_learner
from orchestrator.live.local_edge import LocalEdge
from orchestrator.live.part_answers import ended_requests
from orchestrator.live.setting import asks_whole_prompt, run_split_step
from orchestrator.live.slot_decision import Decision
from orchestrator.records.rows import EndedRequest
from user_agent.host import DeviceHost
from user_agent.shared_link import Band, open_band

__all__ = ["InProcess", "LocalHost", "LocalLearner"]


class LocalHost:
    """See HostPart."""

    def __init__(
        self,
        name: str,
        host: DeviceHost,
        devices: Sequence[DeviceSpec],
        late: bool,
        edges: Mapping[str, EdgePort],
    ) -> None:
        self.name = name
        self._host = host
        self.devices = list(devices)
        self._late = late
        self._edges = edges  # all of the run

    async def start(self, epoch_s: float, since_s: float = 0.0) -> None:
        self._host.start(None if self._late else epoch_s, since_s)

    async def drain(self) -> tuple[list[EndedRequest], bool]:
        return ended_requests(self._host)

    async def join(self, devices: Sequence[DeviceSpec], since_s: float) -> None:
        self._host.join(devices, since_s)

    async def leave(self, users: Sequence[int]) -> None:
        self._host.leave(users)

    async def hand_over(self, users: Sequence[int], edge: str, address: str) -> None:
        await self._host.hand_over(users, self._edges[edge])

    async def change(self, change: DeviceChange, users: Sequence[int]) -> int:
        return self._host.change(change, users)

    async def in_flight(self) -> int:
        return self._host.in_flight

    async def stop(self, grace_s: float) -> None:
        await self._host.stop(grace_s)

    async def gallery(self) -> list[Gallery]:
        return await self._host.gallery()

    async def kill(self, hard: bool) -> None:
        raise ScenarioError(f"{self.name} is no process of its own: set modes.wire: grpc")


class LocalLearner:
    """See LearnerPart."""

    def __init__(self, name: str, learner: Learner) -> None:
        self.name = name
        self.process_id = os.getpid()
        self._learner = learner
        self._dead = False

    async def begin_slot(self, slot: int, expected: int) -> None:
        await self._living().begin_slot(slot, expected)

    async def end_slot(self, slot: int, served: list[Served]) -> Decision:
        return await self._living().end_slot(slot, served)

    async def checkpoint(self, setting: Mapping[str, Any]) -> bytes:
        return await self._living().checkpoint(setting)

    async def refresh(self) -> None:
        self._living().refresh()

    async def pause(self, wall_s: float) -> None:
        await self._living().pause(wall_s)

    async def kill(self, hard: bool) -> None:
        self._dead = True
        await self._learner.close()

    def _living(self) -> Learner:
        """The learner. Raises PartDied where it was killed."""
        if self._dead:
            raise PartDied(f"{self.name} died")
        return self._learner


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
        self._edges: dict[str, LocalEdge] = {}

    async def open(self, say: Callable[[str], None]) -> Parts:
        say(f"loading {self._scenario.model.path} for every edge and host, measuring its steps")
        names = [edge.name for edge in self._scenario.edges]
        groups = grouped(specs(self._scenario), names, self._scenario.hosts.devices_per_host)
        hosts = sum(len(of_edge) for of_edge in groups.values())
        self._references = -(-self._scenario.report.references // max(1, hosts))
        cells = [await self._cell(self._scenario.at(name), groups[name]) for name in names]
        for settings in self._scenario.edges:
            near = {name: self._edges[name] for name in settings.neighbours}
            self._edges[settings.name].meet(near)
        return Parts(cells=cells, targets=[])

    async def _cell(self, scenario: Scenario, groups: list[list[DeviceSpec]]) -> Cell:
        clock = self._clock

        def opened(left_behind: Path | None) -> Coroutine[Any, Any, EdgeNode]:
            return EdgeNode.open(
                scenario,
                clock,
                split_step=run_split_step(scenario),
                whole_prompt=asks_whole_prompt(scenario),
                left_behind=left_behind,
            )

        node = await opened(None)
        edge = LocalEdge(node, clock, opened)
        self._edges[edge.name] = edge
        self._stack.push_async_callback(edge.close)
        band = open_band(scenario, clock)
        hosts = [await self._host(edge, group, band) for group in groups]
        state = self._states.get(scenario.edge.name)
        learner = await self._learner(scenario, edge, node.frame_bytes, state)
        description = await edge.describe()
        return Cell(
            description=description,
            edge=edge,
            address="in-process",
            learner=learner,
            hosts=list(hosts),
            host=lambda devices: self._host(edge, devices, band, late=True),
            another=lambda state: self._learner(scenario, edge, node.frame_bytes, state),
            output_bytes=node.frame_bytes,
            pace=node.pace,
        )

    async def _learner(
        self, scenario: Scenario, edge: LocalEdge, frame_bytes: int, state: bytes | None
    ) -> LocalLearner:
        """Open the learner of an edge, from a state on where there is one."""
        name = learner_name(scenario.edge.name, len(self._scenario.edges))
        beside = not self._clock.virtual
        learner = await open_learner(scenario, edge, frame_bytes, state, beside=beside)
        self._stack.push_async_callback(learner.close)
        return LocalLearner(name, learner)

    async def _host(
        self,
        edge: LocalEdge,
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
            edge,
            self._clock,
            self._workload,
            references=self._references,
            law=self._law,
            band=band,
        )
        self._stack.push_async_callback(host.close)
        return LocalHost(f"host-{number}", host, devices, late, self._edges)

    async def close(self) -> None:
        await self._stack.aclose()
