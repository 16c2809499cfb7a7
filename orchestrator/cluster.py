"""The only file that knows Ray: the edge, the device hosts and the learner as actors, here or on a cluster."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Awaitable
from typing import Any, TypeVar

os.environ.setdefault("RAY_USE_UVLOOP", "0")  # uvloop fires timers up to 1 ms early
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "1")
os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")  # a laptop's Ray stays on loopback
os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", "A worker died or was killed")  # we say it, in one line

import psutil
import ray
import ray.exceptions

from midstep.channel import DeviceSpec, specs
from midstep.clock import WallClock
from midstep.errors import MidstepError, PartDied, ScenarioError
from midstep.pipelines import weight_bytes
from midstep.record import Gallery
from midstep.scenario import Scenario
from midstep.tuning import bind_threads, keep_pages
from midstep.wire import Description
from orchestrator.learner import Decision
from orchestrator.parts import EdgeStatus, Ended, LearnerPart, Parts, problem, setting, split_step, whole
from orchestrator.problem import Served

T = TypeVar("T")
REAL_HOST_BYTES = 450e6  # of a process with torch, diffusers and a small pipeline
PACED_HOST_BYTES = 120e6
OPEN_S = 300  # a large model is read, and perhaps downloaded, in this time


class EdgeActor:
    """The edge server's process."""

    async def open(self, scenario: Scenario) -> tuple[str, str, Description, int]:
        """Serve; the service's address, the exporter's, what is served, and the bytes of an output."""
        from edge_node.node import EdgeNode
        from edge_node.service import serve
        from midstep.exporter import export
        from midstep.open import compute_thread, open_denoiser

        bind_threads(scenario.edge.threads)
        keep_pages()
        loop, clock = asyncio.get_running_loop(), WallClock(scenario.modes.time_scale)
        thread = compute_thread(scenario.model.device)
        denoiser = await loop.run_in_executor(thread, open_denoiser, scenario, scenario.edge.threads)
        self._clock = clock
        self._node = await EdgeNode.open(scenario, denoiser, clock, split_step(scenario), thread)
        host = ray.util.get_node_ip_address()
        listen = scenario.edge.address or f"{host}:0"
        self._server, port = await serve(self._node.edge, listen)
        named = listen.rpartition(":")[0]
        address = f"{host if named in ('0.0.0.0', '[::]', '') else named}:{port}"  # what others can dial
        return address, export("edge", host), await self._node.edge.describe(), self._node.frame_bytes

    async def start(self, epoch_s: float) -> None:
        """See EdgePart."""
        self._clock.begin(epoch_s)

    async def status(self) -> EdgeStatus:
        """What it is doing now."""
        from orchestrator.inprocess import edge_status

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
        prompts: list[str] | None,
        references: int,
    ) -> str:
        """Meet the edge; the exporter's address."""
        from midstep.exporter import export
        from midstep.open import compute_thread, open_denoiser
        from midstep.workload import open_workload
        from user_agent.client import GrpcEdge
        from user_agent.host import DeviceHost

        bind_threads(scenario.hosts.threads)
        keep_pages()
        if not ray.get_gpu_ids():  # the edge's device need not be here
            scenario = scenario.model_copy(update={"model": scenario.model.model_copy(update={"device": "cpu"})})
        loop, clock = asyncio.get_running_loop(), WallClock(scenario.modes.time_scale)
        thread = compute_thread(scenario.model.device)
        denoiser = await loop.run_in_executor(thread, open_denoiser, scenario, scenario.hosts.threads)
        self._host = await DeviceHost.open(
            scenario, devices, GrpcEdge(edge), denoiser, clock, open_workload(scenario, prompts),
            whole=whole(scenario), references=references, thread=thread,
        )  # fmt: skip
        return export("host", ray.util.get_node_ip_address())

    async def start(self, epoch_s: float) -> None:
        self._host.start(epoch_s)

    async def drain(self) -> tuple[list[Ended], bool]:
        from orchestrator.inprocess import drained

        return drained(self._host)

    async def stop(self, grace_s: float) -> None:
        await self._host.stop(grace_s)

    async def gallery(self) -> list[Gallery]:
        return await self._host.gallery()


class LearnerActor:
    """The central learner's process."""

    async def open(self, scenario: Scenario, edge: str, frame_bytes: int, saved: bytes | None) -> tuple[str, int]:
        """Follow the edge, from a state on where there is one; the exporter's address, and this process's id."""
        from midstep.exporter import export
        from orchestrator.control import GrpcControl
        from orchestrator.learner import Learner

        bind_threads(1)
        policy, self._scenario = scenario.policy, scenario
        self._learner = Learner(
            policy.name,
            problem(scenario, frame_bytes),
            scenario.seed,
            GrpcControl(edge),
            policy.admission == "slot",
            policy.latency_target_s,
            beside=True,
        )
        await self._learner.open(saved)
        self._learner.start()
        return export("learner", ray.util.get_node_ip_address()), os.getpid()

    async def end_slot(self, slot: int, served: list[Served]) -> Decision:
        return await self._learner.end_slot(slot, served)

    async def checkpoint(self) -> bytes:
        return await self._learner.checkpoint(setting(self._scenario))


class _Remote:
    """An actor's handle that speaks of a dead process in one line."""

    def __init__(self, name: str, actor: Any, devices: int = 0) -> None:
        self.name, self.actor, self.devices = name, actor, devices

    async def call(self, ref: Awaitable[T]) -> T:
        try:
            return await ref
        except ray.exceptions.RayTaskError as error:
            cause = error.cause
            raise (cause if isinstance(cause, MidstepError) else PartDied(f"{self.name} failed: {cause!r}")) from error
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

    async def start(self, epoch_s: float) -> None:
        await self.call(self.actor.start.remote(epoch_s))

    async def drain(self) -> tuple[list[Ended], bool]:
        return await self.call(self.actor.drain.remote())

    async def stop(self, grace_s: float) -> None:
        await self.call(self.actor.stop.remote(grace_s))

    async def gallery(self) -> list[Gallery]:
        return await self.call(self.actor.gallery.remote())


class RemoteLearner(_Remote):
    """See LearnerPart."""

    process_id = 0  # until it is open

    async def end_slot(self, slot: int, served: list[Served]) -> Decision:
        return await self.call(self.actor.end_slot.remote(slot, served))

    async def checkpoint(self) -> bytes:
        return await self.call(self.actor.checkpoint.remote())


async def opening(opened: Awaitable[T], what: str) -> T:
    """What comes of starting a part. Raises ScenarioError where nobody has room for it, instead of waiting for ever."""
    try:
        return await asyncio.wait_for(opened, OPEN_S)
    except TimeoutError as error:
        raise ScenarioError(
            f"{what} did not start within {OPEN_S} s: the cluster has no free CPU, GPU or memory for it"
        ) from error


async def _settled(ref: Awaitable[T]) -> T:
    return await ref


class RayCluster:
    """See Cluster. `address` None starts Ray on this machine; `auto` or HOST:PORT joins a running one. `saved` is the
    state that the learner goes on from."""

    def __init__(
        self, scenario: Scenario, address: str | None, prompts: list[str] | None, saved: bytes | None = None
    ) -> None:
        self._scenario, self._address, self._prompts, self._saved = scenario, address, prompts, saved
        self._actors: list[Any] = []
        self._targets: list[tuple[str, str]] = []
        self._edge: Any = None
        self._edge_address, self._frame_bytes = "", 0
        self._started = False

    async def open(self) -> Parts:
        scenario = self._scenario
        devices, per = specs(scenario), scenario.hosts.devices_per_host
        groups = [devices[i : i + per] for i in range(0, len(devices), per)]
        self._check_memory(len(groups))
        await asyncio.get_running_loop().run_in_executor(None, self._init, len(groups))
        gpus = self._edge_gpus()
        self._check_gpus(gpus + scenario.hosts.gpus * len(groups))
        edge = RemoteEdge(scenario.edge.name, self._spawn(EdgeActor, cpus=1, gpus=gpus))
        self._edge = edge.actor
        learner = self._spawn_learner()
        hosts = [
            RemoteHost(f"host-{i}", self._spawn(HostActor, cpus=0.5, gpus=scenario.hosts.gpus), len(group))
            for i, group in enumerate(groups)
        ]
        opened_edge = await opening(edge.call(edge.actor.open.remote(scenario)), edge.name)
        address, exporter, description, self._frame_bytes = opened_edge
        self._edge_address = address
        references = -(-scenario.report.references // len(groups))
        opened = [self._introduce(learner, self._saved)]
        for host, group in zip(hosts, groups, strict=True):
            ref = host.actor.open.remote(scenario, group, address, self._prompts, references)
            opened.append(host.call(ref))
        exporters = await opening(asyncio.gather(*opened), "learner and hosts")
        parts = ["learner", *(host.name for host in hosts)]
        self._targets += [(exporter, scenario.edge.name), *zip(exporters, parts, strict=True)]
        return Parts(description, edge, address, learner, list(hosts), self._targets, self._another)

    def _spawn_learner(self) -> RemoteLearner:
        return RemoteLearner("the learner", self._spawn(LearnerActor, cpus=0.1))

    async def _introduce(self, learner: RemoteLearner, saved: bytes | None) -> str:
        """Let a learner meet the edge; its exporter's address."""
        ref = learner.actor.open.remote(self._scenario, self._edge_address, self._frame_bytes, saved)
        opened: tuple[str, int] = await learner.call(ref)
        exporter, learner.process_id = opened
        return exporter

    async def _another(self, saved: bytes | None) -> LearnerPart:
        """A learner in place of a dead one."""
        learner = self._spawn_learner()
        exporter = await opening(self._introduce(learner, saved), "another learner")
        self._targets[:] = [(exporter if part == "learner" else there, part) for there, part in self._targets]
        return learner

    async def close(self) -> None:
        if self._edge is not None:
            with contextlib.suppress(ray.exceptions.RayError, TimeoutError):
                await asyncio.wait_for(_settled(self._edge.close.remote()), 3)
        for actor in self._actors:
            ray.kill(actor)
        if self._started:
            await asyncio.get_running_loop().run_in_executor(None, ray.shutdown)

    def _init(self, hosts: int) -> None:
        """Start or join Ray. Raises ScenarioError, one line."""
        needed = 1.1 + 0.5 * hosts
        try:
            if self._address is None:
                cpus = max(os.cpu_count() or 1, int(needed + 1))  # a laptop may be asked for more processes than cores
                ray.init(num_cpus=cpus, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
            else:
                ray.init(address=self._address, log_to_driver=False, logging_level="ERROR")
        except Exception as error:
            what = "started" if self._address is None else f"joined at {self._address}"
            raise ScenarioError(f"Ray cannot be {what}: {(str(error) or repr(error)).splitlines()[0]}") from error
        self._started = True
        have = ray.cluster_resources().get("CPU", 0)
        if have < needed:
            raise ScenarioError(
                f"the cluster has {have:g} CPUs, an edge and {hosts} hosts need {needed:g}: raise devices_per_host"
            )

    def _spawn(self, cls: type, cpus: float, gpus: float = 0.0) -> Any:
        actor = ray.remote(num_cpus=cpus, num_gpus=gpus, max_restarts=0)(cls).remote()
        self._actors.append(actor)
        return actor

    def _edge_gpus(self) -> float:
        scenario = self._scenario
        if scenario.model.device == "cpu" or scenario.modes.denoiser == "paced":
            return 0.0
        there = ray.cluster_resources().get("GPU", 0.0)
        if scenario.edge.gpus is not None:
            return scenario.edge.gpus
        return 1.0 if there >= 1 and not scenario.hosts.gpus else 0.5 if there else 0.0

    def _check_gpus(self, needed: float) -> None:
        """Raise ScenarioError where more GPU is asked for than the cluster has."""
        there = ray.cluster_resources().get("GPU", 0.0)
        if needed > there:
            raise ScenarioError(
                f"edges.0.gpus and hosts.gpus ask for {needed:g} GPUs in all, the cluster has {there:g}: ask for less"
            )

    def _check_memory(self, hosts: int) -> None:
        """Raise ScenarioError where this machine cannot carry so many processes."""
        if self._address is not None:
            return
        paced = self._scenario.modes.denoiser == "paced"
        each = PACED_HOST_BYTES if paced else REAL_HOST_BYTES + 2 * weight_bytes(self._scenario.model.path)
        needed, free = each * (hosts + 1) + 5e8, psutil.virtual_memory().available
        if needed > free:
            most = int((free - 5e8) / each) - 1
            raise ScenarioError(
                f"{self._scenario.users} devices in {hosts} hosts need about {needed / 1e9:.1f} GB, this machine has "
                f"{free / 1e9:.1f} GB free: raise hosts.devices_per_host (now {self._scenario.hosts.devices_per_host}) "
                f"so that at most {max(1, most)} hosts are needed, or ask for fewer --users"
            )
