"""The Ray of a run: one that the run starts on this machine and ends with itself, or a running one
that it joins and leaves."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Mapping

import ray

from midstep.errors import ScenarioError
from orchestrator.cluster.bounded_waits import at_most
from orchestrator.cluster.guard import Guard
from orchestrator.cluster.head import check_reachable, surrounding
from orchestrator.cluster.head_life import OwnHead, unless
from orchestrator.cluster.in_thread import in_thread
from orchestrator.cluster.leavings import end_processes, forget, note, processes_of
from orchestrator.cluster.placement import EDGE_CPUS, HOST_CPUS, LEARNER_CPUS
from orchestrator.live.cell import Census
from orchestrator.records.centre import Centre

__all__ = ["RaySession"]

# wall seconds at a run's end; who takes longer, as a stopped process or Ray without its head does,
# is ended by force
INIT_END_S = 10.0  # for Ray to have started, where that was interrupted
SHUTDOWN_S = 8.0


class RaySession:
    """A Ray from its start to its end. `address` None starts one on this machine; `auto` or
    HOST:PORT joins a running one. `resources` are what the cluster had when it was last counted,
    `node_addresses` those of the nodes that it began with: who asked its head anew, outside a
    thread, would wait for ever where that hangs."""

    def __init__(self, address: str | None, centre: Centre) -> None:
        self.address = address or surrounding()
        self._address_from = "--address" if address else "RAY_ADDRESS"
        self._centre = centre
        self._init_call: asyncio.Future[None] | None = None
        self._guard: Guard | None = None  # where a Ray is started
        self._started = False
        self._head: OwnHead | None = None  # once it is open
        self.resources: Mapping[str, float] = {}
        self.node_addresses: list[str] = []

    @property
    def own(self) -> bool:
        """Whether the run starts it."""
        return self.address is None

    async def open(self, edges: int, hosts: int) -> None:
        """Start or join it, for so many edges and hosts. Raises AddressError, ScenarioError,
        PartDied."""
        if self.own:
            note(self._centre)
            with contextlib.suppress(OSError):  # a run can do without
                self._guard = Guard(self._centre)
        head = OwnHead()
        self._init_call = in_thread(lambda: self._init(edges, hosts), "ray-init", stays=True)
        # a thread cannot be cancelled: `begun` waits for it
        await unless(asyncio.shield(self._init_call), head.dies())
        self._head = head

    @property
    def gpus(self) -> float:
        """GPUs of the cluster."""
        return self.resources.get("GPU", 0.0)

    async def census(self) -> Census:
        """Count what the cluster has now. Raises PartDied where its head does not answer, or a
        process of the run's own Ray is gone."""
        assert self._head is not None
        census = await self._head.census()
        self.resources = census.total
        return census

    async def begun(self) -> bool:
        """Whether there is a Ray to leave, once what `open` began has ended. One that does not
        start in time is not waited for."""
        if self._init_call is None:
            return False
        await asyncio.wait({self._init_call}, timeout=INIT_END_S)
        if not self._init_call.done():
            self._init_call.cancel()  # the rest of it is told to nobody
            return False
        return self._started

    async def leave(self) -> None:
        """Disconnect, which ends a Ray that this process has started, if it can."""
        await at_most(in_thread(ray.shutdown, "ray-shutdown"), SHUTDOWN_S)

    async def end(self) -> None:
        """End by force what is left of a Ray that the run has started."""
        if self.own:
            await asyncio.to_thread(self._end_processes)

    def _init(self, edges: int, hosts: int) -> None:
        """Start or join Ray. Raises AddressError, ScenarioError, one line."""
        if self.address is not None:
            check_reachable(self.address, self._address_from)
        needed = (EDGE_CPUS + LEARNER_CPUS) * edges + HOST_CPUS * hosts
        try:
            if self.address is None:
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
                ray.init(address=self.address, log_to_driver=False, logging_level="ERROR")
        except Exception as error:
            what = "started" if self.address is None else f"joined at {self.address}"
            raise ScenarioError(
                f"Ray cannot be {what}: {(str(error) or repr(error)).splitlines()[0]}"
            ) from error
        self._started = True
        self.resources = ray.cluster_resources()
        self.node_addresses = [node["NodeManagerAddress"] for node in ray.nodes() if node["Alive"]]
        have = self.resources.get("CPU", 0)
        if have < needed:
            raise ScenarioError(
                f"the cluster has {have:g} CPUs, {edges} edges and {hosts} "
                f"hosts need {needed:g}: "
                f"raise hosts.devices_per_host"
            )

    def _end_processes(self) -> None:
        left = processes_of(self._centre.pid)
        if left:
            end_processes(left)
        if self._guard is not None:
            self._guard.release()
        forget(self._centre)
