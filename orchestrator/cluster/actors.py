"""The processes of a run as Ray actors: an edge, a host of devices, a learner."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray

from midstep.address import split_address
from midstep.clock import WallClock
from midstep.diffusion.pace import MachinePace
from midstep.errors import PartDied
from midstep.events.changes import DeviceChange, EdgeChange
from midstep.radio.fading import DeviceSpec
from midstep.scenario import Scenario
from midstep.telemetry.record import Gallery
from midstep.wire.messages import Description
from midstep.wire.security import Credentials
from midstep.wire.tuning import bind_threads, keep_pages
from midstep.workload.trace import Trace
from orchestrator.cluster.processes import process_name, until_gone
from orchestrator.decision.problem import Served
from orchestrator.live.cell import EdgeStatus
from orchestrator.live.part_answers import edge_status, ended_requests
from orchestrator.live.setting import asks_whole_prompt, run_split_step
from orchestrator.live.slot_decision import Decision
from orchestrator.records.rows import EndedRequest

__all__ = ["EdgeActor", "HostActor", "LearnerActor", "Place", "Successor"]


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where an actor lives: its node in Ray's words, and its process there."""

    node: str
    process_id: int


@dataclass(frozen=True, kw_only=True)
class Successor:
    """What an edge's process goes on from that comes after another one, `before`: the port, the
    run's start (Unix time), the `change` that holds, and the folder on the disk that was
    `left_behind`; None: its store begins empty."""

    before: int
    port: int
    epoch_s: float
    change: EdgeChange
    left_behind: Path | None


class _Process:
    """What an event may do to any actor's process."""

    async def place(self) -> Place:
        """Where it lives."""
        return Place(node=ray.get_runtime_context().get_node_id(), process_id=os.getpid())

    async def end(self, hard: bool) -> None:
        """End by SIGKILL, or by SIGTERM."""
        os.kill(os.getpid(), signal.SIGKILL if hard else signal.SIGTERM)

    async def end_node(self, hard: bool) -> None:
        """End the raylet that this process belongs to, and which all of a node's depend on. Raises
        PartDied where there is none above it."""
        raylet = os.getppid()
        if not process_name(raylet).startswith("raylet"):
            raise PartDied(f"no raylet has started process {os.getpid()}")
        os.kill(raylet, signal.SIGKILL if hard else signal.SIGTERM)


class EdgeActor(_Process):
    """An edge server's process."""

    async def open(
        self, scenario: Scenario, credentials: Credentials, successor: Successor | None = None
    ) -> tuple[str, str, Description, int, MachinePace]:
        """Serve; the service's address, the exporter's, what is served, the bytes of an output, and
        the machine against its profile. A successor waits until the process before it is gone, and
        serves where that did."""
        from edge_node.changing import change_edge
        from edge_node.node import EdgeNode
        from edge_node.service import serve
        from midstep.telemetry.exporter import export

        bind_threads(scenario.edge.threads)
        keep_pages()
        self._clock = WallClock(scenario.modes.time_scale)
        if successor is not None:
            self._clock.begin(successor.epoch_s)
            await until_gone(successor.before)
        self._node = await EdgeNode.open(
            scenario,
            self._clock,
            split_step=run_split_step(scenario),
            whole_prompt=asks_whole_prompt(scenario),
            left_behind=None if successor is None else successor.left_behind,
        )
        here = ray.util.get_node_ip_address()
        listen = scenario.edge.address or f"{here}:0"
        host = split_address(listen)[0]
        if successor is not None:
            if successor.left_behind is None:
                self._node.edge.store.clear()
            change_edge(self._node.edge, successor.change)
            listen = f"{host}:{successor.port}"
        self._server, port = await serve(self._node.edge, listen, credentials)
        if host in ("0.0.0.0", "[::]"):  # nobody can dial these
            host = here
        description = await self._node.edge.describe()
        exporter = export("edge", here)
        node = self._node
        return f"{host}:{port}", exporter, description, node.frame_bytes, node.pace

    async def meet(self, neighbours: Mapping[str, str], credentials: Credentials) -> None:
        """Know the edges of these names, at their addresses, as neighbours."""
        from edge_node.neighbour_client import GrpcNeighbour

        ports = {name: GrpcNeighbour(address, credentials) for name, address in neighbours.items()}
        self._node.meet(ports)

    async def start(self, epoch_s: float) -> None:
        """See EdgePart."""
        self._node.start(epoch_s)

    async def status(self) -> EdgeStatus:
        """The edge's current load."""
        return edge_status(self._node)

    async def change(self, change: EdgeChange) -> int:
        from edge_node.changing import change_edge

        return change_edge(self._node.edge, change)

    async def held(self) -> int:
        """How many outputs it holds, in all tiers."""
        return self._node.edge.store.total

    async def close_warm(self) -> Path | None:
        """End in order; the folder on the disk where a successor finds what this one held, None
        where it has no disk."""
        folder = self._node.edge.store.leave_behind()
        await self.close()
        return folder

    async def close(self) -> None:
        """End in order."""
        from edge_node.service import stop

        await stop(self._server)
        await self._node.close()


class HostActor(_Process):
    """A host of devices' process."""

    async def open(
        self,
        scenario: Scenario,
        devices: list[DeviceSpec],
        edge: str,
        credentials: Credentials,
        requests: Trace | None,
        references: int,
    ) -> str:
        """Meet the edge; the exporter's address."""
        from midstep.telemetry.exporter import export
        from midstep.workload.arrivals import open_law
        from midstep.workload.requests import open_workload
        from user_agent.client import GrpcEdge
        from user_agent.host import DeviceHost

        bind_threads(scenario.hosts.threads)
        keep_pages()
        if not ray.get_gpu_ids():  # the edge's device need not be here
            scenario = scenario.model_copy(
                update={"model": scenario.model.model_copy(update={"device": "cpu"})}
            )
        self._credentials = credentials
        self._host = await DeviceHost.open(
            scenario,
            devices,
            GrpcEdge(edge, credentials),
            WallClock(scenario.modes.time_scale),
            open_workload(scenario, requests),
            references=references,
            law=open_law(scenario, requests),
        )
        return export("host", ray.util.get_node_ip_address())

    async def start(self, epoch_s: float, since_s: float) -> None:
        self._host.start(epoch_s, since_s)

    async def drain(self) -> tuple[list[EndedRequest], bool]:
        return ended_requests(self._host)

    async def join(self, devices: list[DeviceSpec], since_s: float) -> None:
        self._host.join(devices, since_s)

    async def leave(self, users: list[int]) -> None:
        self._host.leave(users)

    async def hand_over(self, users: list[int], address: str) -> None:
        from user_agent.client import GrpcEdge

        await self._host.hand_over(users, GrpcEdge(address, self._credentials))

    async def change(self, change: DeviceChange, users: list[int]) -> int:
        return self._host.change(change, users)

    async def in_flight(self) -> int:
        return self._host.in_flight

    async def stop(self, grace_s: float) -> None:
        await self._host.stop(grace_s)

    async def gallery(self) -> list[Gallery]:
        return await self._host.gallery()


class LearnerActor(_Process):
    """The process of the learner that is in charge of an edge."""

    async def open(
        self,
        scenario: Scenario,
        edge: str,
        credentials: Credentials,
        frame_bytes: int,
        saved: bytes | None,
    ) -> tuple[str, int]:
        """Follow the edge, from a state on where there is one; the exporter's address, and this
        process's id."""
        from midstep.telemetry.exporter import export
        from orchestrator.live.edge_client import GrpcControl
        from orchestrator.live.learner_start import open_learner

        bind_threads(1)
        self._scenario = scenario
        control = GrpcControl(edge, credentials)
        self._learner = await open_learner(scenario, control, frame_bytes, saved, beside=True)
        return export("learner", ray.util.get_node_ip_address()), os.getpid()

    async def begin_slot(self, slot: int, expected: int) -> None:
        await self._learner.begin_slot(slot, expected)

    async def end_slot(self, slot: int, served: list[Served]) -> Decision:
        return await self._learner.end_slot(slot, served)

    async def checkpoint(self, setting: Mapping[str, Any]) -> bytes:
        return await self._learner.checkpoint(setting)

    async def refresh(self) -> None:
        self._learner.refresh()

    async def pause(self, wall_s: float) -> None:
        await self._learner.pause(wall_s)
