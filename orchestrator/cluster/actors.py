"""The processes of a run as Ray actors: an edge, a host of devices, a learner; and how the centre
speaks with them."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Mapping, Sequence
from typing import Any, TypeVar

import ray
import ray.exceptions

from midstep.address import split_address
from midstep.clock import WallClock
from midstep.diffusion.pace import MachinePace
from midstep.errors import MidstepError, PartDied
from midstep.events.changes import DeviceChange
from midstep.radio.fading import DeviceSpec
from midstep.scenario import Scenario
from midstep.telemetry.record import Gallery
from midstep.wire.messages import Description
from midstep.wire.security import Credentials
from midstep.wire.tuning import bind_threads, keep_pages
from midstep.workload.trace import Trace
from orchestrator.decision.problem import Served
from orchestrator.live.cell import EdgeStatus
from orchestrator.live.part_answers import edge_status, ended_requests
from orchestrator.live.setting import asks_whole_prompt, run_split_step
from orchestrator.live.slot_decision import Decision
from orchestrator.records.rows import EndedRequest

__all__ = [
    "EdgeActor",
    "HostActor",
    "LearnerActor",
    "RemoteEdge",
    "RemoteHost",
    "RemoteLearner",
]

T = TypeVar("T")


class EdgeActor:
    """An edge server's process."""

    async def open(
        self, scenario: Scenario, credentials: Credentials
    ) -> tuple[str, str, Description, int, MachinePace]:
        """Serve; the service's address, the exporter's, what is served, the bytes of an output, and
        the machine against its profile."""
        from edge_node.node import EdgeNode
        from edge_node.service import serve
        from midstep.telemetry.exporter import export

        bind_threads(scenario.edge.threads)
        keep_pages()
        self._clock = WallClock(scenario.modes.time_scale)
        self._node = await EdgeNode.open(
            scenario,
            self._clock,
            split_step=run_split_step(scenario),
            whole_prompt=asks_whole_prompt(scenario),
        )
        here = ray.util.get_node_ip_address()
        listen = scenario.edge.address or f"{here}:0"
        self._server, port = await serve(self._node.edge, listen, credentials)
        host = split_address(listen)[0]
        if host in ("0.0.0.0", "[::]"):  # nobody can dial these
            host = here
        description = await self._node.edge.describe()
        exporter = export("edge", here)
        node = self._node
        return f"{host}:{port}", exporter, description, node.frame_bytes, node.pace

    async def start(self, epoch_s: float) -> None:
        """See EdgePart."""
        self._clock.begin(epoch_s)

    async def status(self) -> EdgeStatus:
        """The edge's current load."""
        return edge_status(self._node)

    async def close(self) -> None:
        """End in order."""
        from edge_node.service import stop

        await stop(self._server)
        await self._node.close()


class HostActor:
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

    async def change(self, change: DeviceChange, users: list[int]) -> int:
        return self._host.change(change, users)

    async def in_flight(self) -> int:
        return self._host.in_flight

    async def stop(self, grace_s: float) -> None:
        await self._host.stop(grace_s)

    async def gallery(self) -> list[Gallery]:
        return await self._host.gallery()


class LearnerActor:
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


class _Remote:
    """An actor's handle that speaks of a dead process in one line."""

    def __init__(self, name: str, actor: Any) -> None:
        self.name = name
        self.actor = actor

    async def call(self, ref: Awaitable[T]) -> T:
        try:
            return await ref
        except ray.exceptions.RayTaskError as error:
            cause = error.cause
            raise (
                cause
                if isinstance(cause, MidstepError)
                else PartDied(f"{self.name} failed: {cause!r}")
            ) from error
        except ray.exceptions.RayError as error:
            raise PartDied(f"{self.name} died") from error


class RemoteEdge(_Remote):
    """See EdgePart."""

    async def start(self, epoch_s: float) -> None:
        await self.call(self.actor.start.remote(epoch_s))

    async def status(self) -> EdgeStatus:
        return await self.call(self.actor.status.remote())


class RemoteHost(_Remote):
    """See HostPart."""

    def __init__(self, name: str, actor: Any, devices: Sequence[DeviceSpec]) -> None:
        super().__init__(name, actor)
        self.devices = list(devices)

    async def start(self, epoch_s: float, since_s: float = 0.0) -> None:
        await self.call(self.actor.start.remote(epoch_s, since_s))

    async def drain(self) -> tuple[list[EndedRequest], bool]:
        return await self.call(self.actor.drain.remote())

    async def join(self, devices: Sequence[DeviceSpec], since_s: float) -> None:
        await self.call(self.actor.join.remote(list(devices), since_s))

    async def leave(self, users: Sequence[int]) -> None:
        await self.call(self.actor.leave.remote(list(users)))

    async def change(self, change: DeviceChange, users: Sequence[int]) -> int:
        return await self.call(self.actor.change.remote(change, list(users)))

    async def in_flight(self) -> int:
        return await self.call(self.actor.in_flight.remote())

    async def stop(self, grace_s: float) -> None:
        await self.call(self.actor.stop.remote(grace_s))

    async def gallery(self) -> list[Gallery]:
        return await self.call(self.actor.gallery.remote())


class RemoteLearner(_Remote):
    """See LearnerPart."""

    process_id = 0  # until it is open

    async def begin_slot(self, slot: int, expected: int) -> None:
        await self.call(self.actor.begin_slot.remote(slot, expected))

    async def end_slot(self, slot: int, served: list[Served]) -> Decision:
        return await self.call(self.actor.end_slot.remote(slot, served))

    async def checkpoint(self, setting: Mapping[str, Any]) -> bytes:
        return await self.call(self.actor.checkpoint.remote(dict(setting)))
