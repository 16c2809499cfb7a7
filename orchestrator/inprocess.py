"""Every part in this process: no Ray, no gRPC. What virtual time and quick tests run in."""

from __future__ import annotations

import contextlib
import os

from edge_node.node import EdgeNode
from midstep.channel import specs
from midstep.clock import Clock
from midstep.open import open_denoiser
from midstep.record import Gallery
from midstep.scenario import Scenario
from midstep.workload import open_workload
from orchestrator.learner import Decision, Learner
from orchestrator.parts import EdgeStatus, Ended, Parts, problem, setting, split_step, whole
from orchestrator.problem import Served
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

    def __init__(self, name: str, host: DeviceHost) -> None:
        self.name, self._host, self.devices = name, host, len(host.devices)

    async def start(self, epoch_s: float) -> None:
        self._host.start(epoch_s)

    async def drain(self) -> tuple[list[Ended], bool]:
        return drained(self._host)

    async def stop(self, grace_s: float) -> None:
        await self._host.stop(grace_s)

    async def gallery(self) -> list[Gallery]:
        return await self._host.gallery()


class LocalLearner:
    """See LearnerPart."""

    def __init__(self, learner: Learner, scenario: Scenario) -> None:
        self._learner, self._scenario, self.process_id = learner, scenario, os.getpid()

    async def end_slot(self, slot: int, served: list[Served]) -> Decision:
        return await self._learner.end_slot(slot, served)

    async def checkpoint(self) -> bytes:
        return await self._learner.checkpoint(setting(self._scenario))


class InProcess:
    """See Cluster. Edge and hosts share one denoiser: what one learns about a prompt's encoding the other may use.
    `saved` is the state that the learner goes on from."""

    def __init__(
        self, scenario: Scenario, clock: Clock, prompts: list[str] | None = None, saved: bytes | None = None
    ) -> None:
        self._scenario, self._clock, self._prompts, self._saved = scenario, clock, prompts, saved
        self._stack = contextlib.AsyncExitStack()

    async def open(self) -> Parts:
        scenario, clock = self._scenario, self._clock
        node = await EdgeNode.open(
            scenario, open_denoiser(scenario, scenario.edge.threads), clock, split_step(scenario)
        )
        self._stack.push_async_callback(node.close)
        workload, devices = open_workload(scenario, self._prompts), specs(scenario)
        per = scenario.hosts.devices_per_host
        groups = [devices[i : i + per] for i in range(0, len(devices), per)]
        hosts: list[LocalHost] = []
        for number, group in enumerate(groups):
            host = await DeviceHost.open(
                scenario, group, node.edge, open_denoiser(scenario, scenario.hosts.threads), clock, workload,
                whole=whole(scenario), references=-(-scenario.report.references // len(groups)),
            )  # fmt: skip
            self._stack.push_async_callback(host.close)
            hosts.append(LocalHost(f"host-{number}", host))
        policy = scenario.policy
        learner = Learner(
            policy.name,
            problem(scenario, node.frame_bytes),
            scenario.seed,
            node.edge,
            policy.admission == "slot",
            policy.latency_target_s,
            beside=not clock.virtual,
        )
        await learner.open(self._saved)
        learner.start()
        self._stack.push_async_callback(learner.close)
        description = await node.edge.describe()
        return Parts(description, LocalEdge(node), "in-process", LocalLearner(learner, scenario), list(hosts), [])

    async def close(self) -> None:
        await self._stack.aclose()


def edge_status(node: EdgeNode) -> EdgeStatus:
    """An edge node's status."""
    edge = node.edge
    return EdgeStatus(edge.engine.queue_depth, edge.engine.in_flight, edge.store.nbytes, len(edge.store))


def drained(host: DeviceHost) -> tuple[list[Ended], bool]:
    """A host's rows and pictures so far, and whether it is done."""
    return [Ended(finished.row, finished.picture) for finished in host.drain()], host.idle
