"""A host of many devices: a task for each, one engine for all; `drain` returns rows and
pictures."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from midstep.clock import Clock, StoppableSleep
from midstep.diffusion.denoise import Denoiser
from midstep.diffusion.engine import Engine, EngineStats
from midstep.diffusion.factory import open_computing
from midstep.diffusion.paced import PacedDenoiser
from midstep.errors import MidstepError, PartDied, PipelineMismatch, ScenarioError
from midstep.events.changes import DeviceChange
from midstep.radio import physics
from midstep.radio.fading import DeviceSpec
from midstep.reuse.device_limits import open_device_limits
from midstep.reuse.meter import Meter
from midstep.scenario import Scenario
from midstep.telemetry.record import Gallery, RequestRow
from midstep.telemetry.writers import UserMetrics, on_tick
from midstep.wire.messages import Description, EdgePort
from midstep.workload.arrivals import Arrival, ArrivalLaw, due_before, next_arrival, open_law
from midstep.workload.requests import UserRequest, Workload
from user_agent.checker import Checker
from user_agent.device import Device
from user_agent.dropped import DroppedArrivals
from user_agent.finished import Finished
from user_agent.pictures import AsReceived, WholePicture, pixels, png
from user_agent.samples import Samples
from user_agent.shared_link import Band, check_together, open_band
from user_agent.start_pictures import open_starts
from user_agent.uplink import Uplink

__all__ = ["DeviceHost"]

UNBOUNDED = 10**9
RETRY_S = 1.0  # scenario seconds a device waits after a failure


@dataclass
class _Member:
    """A device of the host, its sleep between requests, which ends with the device, and the task in
    which it lives."""

    device: Device
    sleep: StoppableSleep
    since_s: float = 0.0  # its arrivals count from then
    task: asyncio.Task[None] | None = None
    until_s: float = 0.0  # once it is stopping: what is due from then on is not asked for


class DeviceHost:
    """Owns its devices' tasks, the shared engine and its thread: `open`, `start`, and `drain` now
    and then. `notice` says in one line what a user should know of the requests' reuse limits."""

    notice: str | None = None

    def __init__(
        self,
        scenario: Scenario,
        make: Callable[[DeviceSpec], Device],
        engine: Engine,
        demand: tuple[Workload, ArrivalLaw],
        metrics: UserMetrics,
        thread: ThreadPoolExecutor | None,
        references: int,
    ) -> None:
        self._of_edges: dict[str, UserMetrics] = {}  # of edges that devices were handed over to
        self._scenario = scenario
        self._make = make
        self._engine = engine
        self._clock = engine.clock
        self._workload, self._law = demand
        self._metrics = metrics
        self._thread = thread
        self.in_flight = 0  # requests that devices have sent and wait for
        self._members: dict[int, _Member] = {}
        self._begun = False
        self._ended: list[Finished] = []
        self._samples = Samples(references)
        self._checker: Checker | None = None
        self._failure: Exception | None = None  # of a device's task; none should
        self._failure_due = False  # whether the rows before it have been handed over
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
            _check_pipeline(denoiser, description)
            _check_privacy(scenario, description)
            limits = open_device_limits(scenario, denoiser.identity)
            starts = open_starts(scenario, denoiser.identity.height, denoiser.identity.width)
        except BaseException:
            if thread is not None:
                thread.shutdown(wait=False, cancel_futures=True)
            raise
        # modelled times depend on the device alone, not on how many share the host's process
        modelled = denoiser.profile is not None
        if isinstance(denoiser, PacedDenoiser):
            # a device's throttle alone holds its picture: the host's ticks take no time
            denoiser = PacedDenoiser(denoiser.identity, denoiser.profile, at_once=True)
            denoiser.frame_numbers = scenario.reuse.frame
        engine = Engine(
            denoiser,
            clock,
            queue_limit=UNBOUNDED,
            max_batch=UNBOUNDED if modelled else scenario.hosts.max_batch,
            executor=None if modelled else thread,
            stats=EngineStats(on_tick(description.edge, "device")),
        )
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

        demand = (workload, open_law(scenario) if law is None else law)
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
            self._begin(member, since_s)

    def join(self, specs: Iterable[DeviceSpec], since_s: float | None = None) -> None:
        """Add devices; each sends its first request one pause after `start`, or, where that has
        been, after `since_s` (None: now)."""
        for spec in specs:
            member = self._members[spec.user] = _Member(
                self._make(spec), StoppableSleep(self._clock)
            )
            self._metrics.joined()
            if self._begun:
                self._begin(member, self._clock.now() if since_s is None else since_s)

    def _end(self, member: _Member) -> None:
        """Let a device send no more requests."""
        if not member.sleep.stopped:
            member.until_s = min(self._clock.now(), self._scenario.duration_s)
            member.sleep.stop()

    def _begin(self, member: _Member, since_s: float) -> None:
        member.since_s = since_s
        member.task = asyncio.create_task(self._live(member))
        member.task.add_done_callback(self._note)

    def _note(self, task: asyncio.Task[None] | asyncio.Task[float]) -> None:
        """Remember the first error that ended a device's task."""
        if task.cancelled():
            return
        error = task.exception()
        if isinstance(error, Exception) and self._failure is None:
            self._failure = error

    def leave(self, users: Iterable[int]) -> None:
        """Remove devices: they send no more requests, and are gone when those in flight have
        ended. Who has gone already, as its battery was empty, is passed over."""
        for user in users:
            member = self._members.get(user)
            if member is None:
                continue
            self._end(member)
            if member.task is None:
                self._gone(member)
            else:
                member.task.add_done_callback(lambda _, member=member: self._gone(member))  # type: ignore[misc]

    async def hand_over(self, users: Iterable[int], edge: EdgePort) -> None:
        """Let devices ask another edge from now on; those that are not here any more are passed
        over. Raises EdgeUnreachable, CredentialsError, PipelineMismatch, ScenarioError, with
        nothing changed."""
        if self._scenario.channel.total_mhz is not None:
            raise ScenarioError(
                "channel.total_mhz: a device shares its edge's band and cannot be handed over; "
                "leave it out"
            )
        description = await edge.describe()
        _check_pipeline(self._engine.denoiser, description)
        _check_privacy(self._scenario, description)
        name = description.edge
        if name not in self._of_edges:
            self._of_edges[name] = UserMetrics(name, self._scenario.policy.name)
        for user in users:
            if (member := self._members.get(user)) is not None:
                member.device.hand_over(edge, description, self._of_edges[name])

    def change(self, change: DeviceChange, users: Iterable[int]) -> int:
        """Let a change come now to those of these devices that live here; how many do."""
        members = [self._members[user] for user in users if user in self._members]
        for member in members:
            member.device.change(change)
        return len(members)

    def _gone(self, member: _Member) -> None:
        if self._members.pop(member.device.spec.user, None) is not None:
            member.device.attachment.leave()

    def drain(self) -> list[Finished]:
        """Requests that ended since the last call. Once they are returned, raises the error that
        ended a device's task, PartDied where it is no MidstepError."""
        ended = self._ended
        self._ended = []
        if self._failure is not None and (self._failure_due or not ended):
            if isinstance(self._failure, MidstepError):
                raise self._failure
            raise PartDied(
                f"a device failed: {type(self._failure).__name__}: {self._failure}"
            ) from self._failure
        self._failure_due = self._failure is not None
        return ended

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
        return all(
            member.task is not None and member.task.done() for member in self._members.values()
        )

    async def stop(self, grace_s: float) -> None:
        """Send no more requests; give those in flight `grace_s` scenario seconds, then cancel
        them."""
        members = list(self._members.values())
        for member in members:
            self._end(member)
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
        return list(await asyncio.gather(*(self._compare(finished) for finished in chosen)))

    async def _live(self, member: _Member) -> None:
        device = member.device
        user = device.spec.user
        asking: dict[asyncio.Task[float], None] = {}  # no set: they are cancelled in this order
        since_s = member.since_s
        index = 0
        while not member.sleep.stopped:
            upcoming = next_arrival(self._law, user, index, since_s)
            if upcoming is None:
                break
            index, arrival = upcoming
            # what is due at the end is not sent, also where its timer is first: the device waits
            in_time = due_before(arrival, self._scenario.duration_s)
            if await member.sleep.until(arrival.due_s if in_time else math.inf):
                break
            # of when it was due: what a late host asks for is what it should have asked for
            slot = int(arrival.due_s // self._scenario.slot_seconds)
            user_request = self._workload.user_request(user, index, slot)
            if user_request is None:
                break
            request = self._ask(device, f"{user:05d}-{index:05d}", user_request, arrival)
            index += 1
            if arrival.think_s is not None:
                since_s = await request
            else:
                since_s = arrival.due_s
                task = asyncio.create_task(request)
                asking[task] = None
                task.add_done_callback(asking.pop)
                task.add_done_callback(self._note)
        if member.sleep.stopped:
            self._drop(member, index, since_s)
        if asking:
            await asyncio.gather(*asking)

    def _drop(self, member: _Member, index: int, since_s: float) -> None:
        """Record the arrivals that were due before a device was stopped, and were not sent."""
        device = member.device
        arrivals = DroppedArrivals(
            law=self._law,
            workload=self._workload,
            slot_seconds=self._scenario.slot_seconds,
            whole_prompt=device.asks_whole_prompt,
        )
        until_s = member.until_s
        error = "it was never sent: its host had no time for it before the end"
        edge = device.attachment.description.edge
        for row in arrivals.rows(device.spec, edge, index, since_s, until_s, error):
            device.attachment.metrics.ended(row)
            self._ended.append(Finished(row))

    async def _ask(
        self, device: Device, request_id: str, user_request: UserRequest, arrival: Arrival
    ) -> float:
        self.in_flight += 1
        finished = await device.request(request_id, user_request, arrival)
        self.in_flight -= 1
        self._ended.append(finished)
        if device.empty:
            self.leave([device.spec.user])
        self._samples.add(finished)
        if self._checker is not None:
            self._checker.add(finished)
        now = self._clock.now()
        return now if finished.row.result == "done" else now + RETRY_S

    async def _compare(self, finished: Finished) -> Gallery:
        denoiser = self._engine.denoiser
        row = finished.row
        frame = finished.frame
        assert row.seed is not None and finished.picture is not None
        as_received = None
        if frame is not None:
            job = AsReceived(denoiser=denoiser, frame=frame, prompt=row.prompt)
            as_received = (await self._engine.submit(job)).value
        alone = await self._engine.submit(
            WholePicture(
                denoiser=denoiser,
                prompt=row.prompt,
                seed=row.seed,
                negative=row.negative or "",
                start=finished.start,
            )
        )
        return Gallery(
            request_id=row.request_id,
            frame=as_received,
            picture=finished.picture,
            reference=png(alone.value),
            psnr_db=physics.psnr_db(pixels(finished.picture), alone.value),
        )


def _check_pipeline(denoiser: Denoiser, description: Description) -> None:
    """Raise PipelineMismatch where this host cannot continue what that edge begins."""
    difference = denoiser.identity.difference(description.pipeline)
    if difference is not None:
        raise PipelineMismatch(
            f"{description.edge} serves another pipeline than this host has: {difference}"
        )


def _check_privacy(scenario: Scenario, description: Description) -> None:
    """Raise ScenarioError where the edge is asked for users' prompts in full and they are not to
    leave the devices."""
    if scenario.reuse.privacy == "core" and description.whole_prompt:
        raise ScenarioError(
            f"reuse.privacy: core: {description.edge} is asked for users' prompts in full; take a "
            f"policy that stores intermediate outputs, or open"
        )
