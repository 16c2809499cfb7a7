"""A host of many devices: one coroutine each, one engine for all, rows and pictures handed over
when asked for."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from midstep.clock import Clock
from midstep.diffusion.denoise import Denoiser
from midstep.diffusion.engine import Engine, EngineStats
from midstep.diffusion.factory import compute_thread
from midstep.errors import FrameError
from midstep.radio import physics
from midstep.radio.fading import DeviceSpec
from midstep.scenario import Scenario
from midstep.telemetry.metrics import UserMetrics, on_tick
from midstep.telemetry.record import Gallery
from midstep.wire.messages import EdgePort
from midstep.workload.requests import UserRequest, Workload, pause_s
from user_agent.device import Device, Finished, encoder, png

UNBOUNDED = 10**9
RETRY_S = 1.0  # scenario seconds a device waits after a failure


@dataclass
class _Member:
    """A device of the host, the task in which it lives, and the word that ends it."""

    device: Device
    task: asyncio.Task[None] | None = None
    stopping: asyncio.Event = field(default_factory=asyncio.Event)


class DeviceHost:
    """Owns its devices' tasks, the shared engine and its thread: `open`, `start`, and `drain` now
    and then."""

    def __init__(
        self,
        scenario: Scenario,
        make: Callable[[DeviceSpec], Device],
        engine: Engine,
        clock: Clock,
        workload: Workload,
        metrics: UserMetrics,
        thread: ThreadPoolExecutor | None,
        references: int,
    ) -> None:
        self._scenario = scenario
        self._make = make
        self._engine = engine
        self._clock = clock
        self._workload = workload
        self._metrics = metrics
        self._thread = thread
        self._references = references
        self._members: dict[int, _Member] = {}
        self._begun = False
        self._ended: list[Finished] = []
        self._samples: dict[str, list[Finished]] = {}
        self._engine_task = asyncio.create_task(engine.run(), name="engine-host")

    @classmethod
    async def open(
        cls,
        scenario: Scenario,
        specs: Iterable[DeviceSpec],
        edge: EdgePort,
        denoiser: Denoiser,
        clock: Clock,
        workload: Workload,
        *,
        whole: bool = False,
        references: int = 0,
        thread: ThreadPoolExecutor | None = None,
    ) -> DeviceHost:
        """Meet the edge, and check that what it begins can be continued here. Raises
        EdgeUnreachable, FrameError."""
        about = await edge.describe()
        difference = denoiser.identity.difference(about.pipeline)
        if difference is not None:
            raise FrameError(
                f"{about.edge} serves another pipeline than this host has: {difference}"
            )
        thread = None if clock.virtual else thread or compute_thread(scenario.model.device)
        # where times are modelled a device has its own pace and no other: sharing a process is of
        # no account
        modelled = denoiser.profile is not None
        engine = Engine(
            denoiser,
            clock,
            queue_limit=UNBOUNDED,
            max_batch=UNBOUNDED if modelled else scenario.hosts.max_batch,
            executor=None if modelled else thread,
            stats=EngineStats(on_tick(about.edge, "device")),
        )
        metrics = UserMetrics(about.edge, scenario.policy.name)

        def make(spec: DeviceSpec) -> Device:
            return Device(spec, scenario, edge, engine, clock, about, metrics, whole)

        host = cls(scenario, make, engine, clock, workload, metrics, thread, references)
        host.join(specs)
        return host

    def start(self, epoch_s: float | None) -> None:
        """Let the run's time begin at this Unix time (None: it runs already); every device asks
        after its first pause."""
        if epoch_s is not None:
            self._clock.begin(epoch_s)
        self._begun = True
        for member in self._members.values():
            member.task = asyncio.create_task(self._live(member))

    def join(self, specs: Iterable[DeviceSpec]) -> None:
        """Devices more; they ask after their first pause, from `start` or from now on."""
        for spec in specs:
            member = self._members[spec.user] = _Member(self._make(spec))
            self._metrics.joined()
            if self._begun:
                member.task = asyncio.create_task(self._live(member))

    def leave(self, users: Iterable[int]) -> None:
        """Devices fewer: they ask no more, and are gone when their requests in flight have
        ended."""
        for user in users:
            member = self._members[user]
            member.stopping.set()
            if member.task is None:
                self._gone(member)
            else:
                member.task.add_done_callback(lambda _, member=member: self._gone(member))  # type: ignore[misc]

    def _gone(self, member: _Member) -> None:
        if self._members.pop(member.device.spec.user, None) is not None:
            self._metrics.left(member.device.state)

    def drain(self) -> list[Finished]:
        """What ended since the last call."""
        ended = self._ended
        self._ended = []
        return ended

    @property
    def idle(self) -> bool:
        """Whether every device has stopped asking and has its last answer."""
        return all(
            member.task is not None and member.task.done() for member in self._members.values()
        )

    async def stop(self, grace_s: float) -> None:
        """Ask no more; give requests in flight `grace_s` scenario seconds, then cancel them."""
        members = list(self._members.values())
        for member in members:
            member.stopping.set()
        tasks = [member.task for member in members if member.task is not None]
        if tasks:
            wall = grace_s / self._clock.scale
            _, late = await asyncio.wait(tasks, timeout=wall)
            for task in late:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def close(self) -> None:
        """End the engine and its thread, and devices that nobody has stopped."""
        await self.stop(0.0)
        self._engine_task.cancel()
        # one that broke has told its jobs
        await asyncio.gather(self._engine_task, return_exceptions=True)
        if self._thread is not None:
            self._thread.shutdown(wait=False, cancel_futures=True)

    async def gallery(self) -> list[Gallery]:
        """The sampled requests' pictures again, made without reuse; they run as one batch."""
        chosen = [finished for kind in self._samples.values() for finished in kind]
        return list(await asyncio.gather(*(self._compare(finished) for finished in chosen)))

    async def _live(self, member: _Member) -> None:
        device = member.device
        arrivals = self._scenario.workload.arrivals
        seed = self._scenario.seed
        user = device.spec.user
        asking: set[asyncio.Task[float]] = set()
        when = max(0.0, self._clock.now())
        index = 0
        while not member.stopping.is_set():
            when += pause_s(seed, user, index, arrivals.mean_pause_s)
            if await self._stopped_before(when, member.stopping):
                break
            user_request = self._workload.user_request(
                user, index, int(self._clock.now() // self._scenario.slot_seconds)
            )
            if user_request is None:
                break
            asked = self._ask(device, f"{user:05d}-{index:05d}", user_request)
            index += 1
            if arrivals.closed:
                when = await asked
            else:
                task = asyncio.create_task(asked)
                asking.add(task)
                task.add_done_callback(asking.discard)
        if asking:
            await asyncio.gather(*asking)

    async def _ask(self, device: Device, request_id: str, user_request: UserRequest) -> float:
        finished = await device.request(request_id, user_request)
        self._ended.append(finished)
        self._sample(finished)
        now = self._clock.now()
        return now if finished.row.result == "done" else now + RETRY_S

    async def _stopped_before(self, instant_s: float, stopping: asyncio.Event) -> bool:
        """Wait until `instant_s`; True as soon as the device is told to stop."""
        sleeping = asyncio.ensure_future(self._clock.sleep_until(instant_s))
        stopped = asyncio.ensure_future(stopping.wait())
        done, rest = await asyncio.wait({sleeping, stopped}, return_when=asyncio.FIRST_COMPLETED)
        for task in rest:
            task.cancel()
        return stopped in done

    def _sample(self, finished: Finished) -> None:
        if (
            finished.frame is None
            or finished.row.result != "done"
            or finished.row.variation_seed is not None
        ):
            return  # a variation differs from its reference by intent, not by reuse
        kind = self._samples.setdefault(finished.row.reuse or "", [])
        if len(kind) < (self._references + 1) // 2:
            kind.append(finished)

    async def _compare(self, finished: Finished) -> Gallery:
        denoiser = self._engine.denoiser
        row = finished.row
        frame = finished.frame
        assert frame is not None and row.seed is not None and finished.picture is not None
        seed = row.seed
        steps = denoiser.identity.steps
        as_received = await self._engine.submit(
            lambda: denoiser.resume(frame, row.prompt, frame.step, None), encoder(denoiser.decode)
        )
        alone = await self._engine.submit(
            lambda: denoiser.begin(row.prompt, seed, steps), denoiser.decode
        )
        psnr = physics.psnr_db(pixels(finished.picture), alone.value)
        return Gallery(row.request_id, as_received.value, finished.picture, png(alone.value), psnr)


def pixels(data: bytes) -> NDArray[np.uint8]:
    """uint8 [height, width, 3] of a PNG."""
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
