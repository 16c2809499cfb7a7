"""A host of many devices: a task for each, one engine for all; `drain` returns rows and
pictures."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

from midstep.clock import Clock
from midstep.diffusion.engine import Engine
from midstep.diffusion.factory import open_computing
from midstep.events.changes import DeviceChange
from midstep.radio.fading import DeviceSpec
from midstep.reuse.device_limits import open_device_limits
from midstep.reuse.meter import Meter
from midstep.scenario import Scenario
from midstep.telemetry.record import Gallery, RequestRow
from midstep.telemetry.writers import UserMetrics
from midstep.wire.messages import EdgePort
from midstep.workload.arrivals import Arrival, ArrivalLaw, open_law
from midstep.workload.requests import UserRequest, Workload
from user_agent.checker import Checker
from user_agent.device import Device
from user_agent.edges import OtherEdges, check_edge
from user_agent.finished import Finished
from user_agent.gallery import compare
from user_agent.host_engine import open_engine
from user_agent.member import Demand, Member
from user_agent.outbox import Outbox
from user_agent.samples import Samples
from user_agent.shared_link import Band, check_together, open_band
from user_agent.start_pictures import open_starts
from user_agent.uplink import Uplink

__all__ = ["DeviceHost"]


class DeviceHost:
    """Owns its devices' tasks, the shared engine and its thread: `open`, `start`, and `drain` now
    and then. `notice` says in one line what a user should know of the requests' reuse limits."""

    notice: str | None = None

    def __init__(
        self,
        scenario: Scenario,
        make: Callable[[DeviceSpec], Device],
        engine: Engine,
        demand: Demand,
        metrics: UserMetrics,
        thread: ThreadPoolExecutor | None,
        references: int,
    ) -> None:
        self._make = make
        self._engine = engine
        self._clock = engine.clock
        self._demand = demand
        self._metrics = metrics
        self._thread = thread
        self._other_edges = OtherEdges(scenario, engine.denoiser)
        self.in_flight = 0  # requests that devices have sent and wait for
        self._members: dict[int, Member] = {}
        self._begun = False
        self._outbox = Outbox()
        self._samples = Samples(references)
        self._checker: Checker | None = None
        self._engine_task = asyncio.create_task(engine.run(), name="engine-host")

    @classmethod
    async def open(
        cls,
        scenario: Scenario,
        specs: Iterable[DeviceSpec],
        edge: EdgePort,
        clock: Clock,
        workload: Workload,
        *,
        references: int = 0,
        law: ArrivalLaw | None = None,
        band: Band | None = None,
    ) -> DeviceHost:
        """Ask the edge for its description, load the model, and check that both have one pipeline.

        `references` is how many of its pictures `gallery` makes again; `law` says when requests are
        due, None: the scenario's. `band` is what its devices share with others of this process,
        None: what the scenario says. Raises EdgeUnreachable, CredentialsError, ModelError,
        ScenarioError, PipelineMismatch.
        """
        description = await edge.describe()
        devices = list(specs)
        if band is None:
            check_together(scenario, devices, description.edge)
        denoiser, thread = await open_computing(scenario, scenario.hosts.threads, clock)
        try:
            check_edge(scenario, denoiser, description)
            limits = open_device_limits(scenario, denoiser.identity)
            starts = open_starts(scenario, denoiser.identity.height, denoiser.identity.width)
        except BaseException:
            if thread is not None:
                thread.shutdown(wait=False, cancel_futures=True)
            raise
        engine = open_engine(scenario, denoiser, thread, clock, description.edge)
        metrics = UserMetrics(description.edge, scenario.policy.name)
        band = open_band(scenario, clock) if band is None else band

        def make(spec: DeviceSpec) -> Device:
            own = limits.of(spec.group)
            return Device(
                spec,
                scenario,
                edge,
                engine,
                own,
                description,
                metrics,
                band=band,
                uplink=None if starts is None else Uplink(starts, spec, scenario, clock, band),
            )

        demand = Demand(
            workload=workload,
            law=open_law(scenario) if law is None else law,
            slot_seconds=scenario.slot_seconds,
            duration_s=scenario.duration_s,
        )
        host = cls(scenario, make, engine, demand, metrics, thread, references)
        if denoiser.profile is None and scenario.reuse.check_share > 0:
            host._checker = Checker(
                engine,
                edge,
                Meter.of(scenario.model.path),
                host._arrival_s,
                description.step_s,
                metrics,
            )
        host.notice = limits.notice
        host.join(devices)
        return host

    def start(self, epoch_s: float | None, since_s: float = 0.0) -> None:
        """Begin the run's time at this Unix time (None: it runs already); every device sends its
        first request one pause after `since_s`. A host that begins later than that is late, and
        its requests say so."""
        if epoch_s is not None:
            self._clock.begin(epoch_s)
        self._begun = True
        for member in self._members.values():
            member.begin(since_s)

    def join(self, specs: Iterable[DeviceSpec], since_s: float | None = None) -> None:
        """Add devices; each sends its first request one pause after `start`, or, where that has
        been, after `since_s` (None: now)."""
        for spec in specs:
            device = self._make(spec)
            member = Member(device, self._demand, self._clock, self._outbox, self._carry)
            self._members[spec.user] = member
            self._metrics.joined()
            if self._begun:
                member.begin(self._clock.now() if since_s is None else since_s)

    def leave(self, users: Iterable[int]) -> None:
        """Remove devices: they send no more requests, and are gone when those in flight have
        ended. Who has gone already, as its battery was empty, is passed over."""
        for user in users:
            member = self._members.get(user)
            if member is None:
                continue
            member.end()
            if member.task is None:
                self._gone(member)
            else:
                member.task.add_done_callback(lambda _, member=member: self._gone(member))  # type: ignore[misc]

    async def hand_over(self, users: Iterable[int], edge: EdgePort) -> None:
        """Let devices ask another edge from now on; those that are not here any more are passed
        over. Raises EdgeUnreachable, CredentialsError, PipelineMismatch, ScenarioError, with
        nothing changed."""
        description, metrics = await self._other_edges.admit(edge)
        for user in users:
            if (member := self._members.get(user)) is not None:
                member.device.hand_over(edge, description, metrics)

    def change(self, change: DeviceChange, users: Iterable[int]) -> int:
        """Let a change come now to those of these devices that live here; how many do."""
        members = [self._members[user] for user in users if user in self._members]
        for member in members:
            member.device.change(change)
        return len(members)

    def _gone(self, member: Member) -> None:
        if self._members.pop(member.device.spec.user, None) is not None:
            member.device.attachment.leave()

    def drain(self) -> list[Finished]:
        """Requests that ended since the last call. Once they are returned, raises the error that
        ended a device's task, PartDied where it is no MidstepError."""
        return self._outbox.drain()

    def checked(self) -> list[RequestRow]:
        """Rows of requests that have been drained, with what a check has found since the last
        call."""
        if self._checker is None:
            return []
        rows = self._checker.rows
        self._checker.rows = []
        return rows

    def _arrival_s(self) -> float:
        """Until then no frame that is on the air will have passed."""
        arrivals = (member.device.arrival_s for member in self._members.values())
        return min(arrivals, default=math.inf)

    @property
    def idle(self) -> bool:
        """Whether every device has stopped asking and has its last answer."""
        return all(member.idle for member in self._members.values())

    async def stop(self, grace_s: float) -> None:
        """Send no more requests; give those in flight `grace_s` scenario seconds, then cancel
        them."""
        members = list(self._members.values())
        for member in members:
            member.end()
        tasks = [member.task for member in members if member.task is not None]
        if tasks:
            wall = grace_s / self._clock.scale
            await asyncio.wait(tasks, timeout=wall)
            for task in tasks:
                task.cancel()  # of no effect on one that is done
            await asyncio.gather(*tasks, return_exceptions=True)

    async def close(self) -> None:
        """End the engine and its thread, and devices that nobody has stopped."""
        await self.stop(0.0)
        for member in self._members.values():
            member.device.close()
        if self._checker is not None:
            await self._checker.close()
        self._engine_task.cancel()
        # an engine's error has already been raised to the callers of `submit`
        await asyncio.gather(self._engine_task, return_exceptions=True)
        if self._thread is not None:
            self._thread.shutdown(wait=False, cancel_futures=True)

    async def gallery(self) -> list[Gallery]:
        """Make the sampled requests' pictures again without reuse, as one batch."""
        chosen = self._samples.chosen()
        return list(await asyncio.gather(*(compare(finished, self._engine) for finished in chosen)))

    async def _carry(
        self, device: Device, request_id: str, user_request: UserRequest, arrival: Arrival
    ) -> Finished:
        """Carry a device's request to its end, and hand what it has come to to all who want it."""
        self.in_flight += 1
        finished = await device.request(request_id, user_request, arrival)
        self.in_flight -= 1
        self._outbox.add(finished)
        if device.empty:
            self.leave([device.spec.user])
        self._samples.add(finished)
        if self._checker is not None:
            self._checker.add(finished)
        return finished
