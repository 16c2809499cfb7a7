"""One user's device: ask the edge, receive over the link, finish the picture at its own pace."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass, replace
from typing import Any

from midstep.diffusion.denoise import Variation
from midstep.diffusion.engine import Engine
from midstep.errors import FrameError, MidstepError, PipelineMismatch, PromptError, QueueFull
from midstep.events.changes import DeviceChange
from midstep.radio.fading import DeviceChannel, DeviceSpec
from midstep.reuse.limits import ReuseLimits
from midstep.scenario import Scenario
from midstep.telemetry.record import BATTERY_EMPTY, RequestRow
from midstep.telemetry.writers import UserMetrics
from midstep.wire.frame import Frame
from midstep.wire.identity import OutputKey, mixed_key
from midstep.wire.messages import Answer, Description, EdgePort, Quality, Request
from midstep.wire.start import Start
from midstep.workload.arrivals import Arrival
from midstep.workload.requests import UserRequest
from user_agent.air import Air
from user_agent.energy import Energy
from user_agent.pictures import AllSteps, LastSteps
from user_agent.shared_link import Band, open_link
from user_agent.throttle import Throttle
from user_agent.uplink import Uplink

__all__ = ["Device", "Finished", "PictureCheck"]

TIMER_S = 1e-9  # an event loop's timers are no finer: less than this is no lateness


@dataclass(frozen=True)
class PictureCheck:
    """What a QualitySample of a picture will be about, where the edge asked for one."""

    kind: str
    step: int
    quality: Quality


@dataclass(frozen=True)
class Finished:
    """An ended request: its row, and of a finished one the picture (PNG) and the frame as it was
    received, None where the device made the whole picture; the check that the edge, at `port`,
    asked for; and the picture that it began from, None: from noise alone."""

    row: RequestRow
    picture: bytes | None = None
    frame: Frame | None = None
    check: PictureCheck | None = None
    port: EdgePort | None = None
    start: Start | None = None


class Device:
    """One user's device, with its own link and throttle; the devices of a host share `engine` and
    `limits`, and where the scenario says so a `band`; where users have start pictures it has an
    `uplink`.

    Where the edge does all steps (it caches finished pictures) the device has no step left in which
    to follow the user's own prompt: it then asks for the user's whole prompt and variation. It asks
    for the whole prompt, too, where the edge says that it shares nothing.
    """

    def __init__(
        self,
        spec: DeviceSpec,
        scenario: Scenario,
        edge: EdgePort,
        engine: Engine,
        limits: ReuseLimits,
        description: Description,
        metrics: UserMetrics,
        *,
        band: Band | None = None,
        uplink: Uplink | None = None,
    ) -> None:
        clock = engine.clock
        self.spec = spec
        self._scenario = scenario
        self._edge = edge
        self._engine = engine
        self._limits = limits
        self._clock = clock
        self._description = description
        self.edge_name = description.edge
        self.metrics = metrics
        self._whole_pictures = description.split_step == description.pipeline.steps
        self.asks_whole_prompt = description.whole_prompt or self._whole_pictures
        slot = scenario.slot_seconds
        channel = DeviceChannel(scenario.channel, spec, scenario.seed, slot)
        self._channel = channel
        self._air = Air(channel.conditions, scenario.seed, spec.user)
        self._link = open_link(channel, spec, scenario, clock, band)
        self._uplink = uplink
        step_s = description.step_s if spec.step_s is None else spec.step_s
        self._throttle = Throttle(channel, clock, slot, step_s, parallel=spec.parallel)
        self._energy = Energy(spec, clock, self._run_empty)
        self._asking: dict[asyncio.Task[Any], None] = {}  # no set: they are ended in this order
        self._pipeline = description.pipeline.digest()
        self.state = "thinking"

    @property
    def arrival_s(self) -> float:
        """Until then no frame that is on its air will have passed; infinity where none is."""
        return self._link.arrival_s

    def leave(self) -> None:
        """Count the device as gone."""
        self.metrics.left(self.state)

    def hand_over(self, edge: EdgePort, description: Description, metrics: UserMetrics) -> None:
        """Ask another edge from now on, which serves the same pipeline; requests that have been
        sent end at the one that they were sent to."""
        self.metrics.left(self.state)
        self._edge = edge
        self._description = description
        self.metrics = metrics
        self.edge_name = description.edge
        self.spec = replace(self.spec, edge=description.edge)
        metrics.joined()
        metrics.moved("thinking", self.state)

    @property
    def empty(self) -> bool:
        """Whether its battery is empty: it asks for nothing any more."""
        return self._energy.empty

    def change(self, change: DeviceChange) -> None:
        """Let a change come now; what is on the air, or being computed, goes on under it."""
        self._link.settle()
        self._throttle.settle()
        self._channel.change(change, self._clock.now())
        self._link.resume()
        self._throttle.resume()
        if self._uplink is not None:
            self._uplink.change(change)
        self._energy.expect()

    def close(self) -> None:
        """End what waits for later."""
        self._energy.close()

    def _run_empty(self) -> None:
        """End all open requests: the battery is empty."""
        self.metrics.battery_empty()
        for task in self._asking:
            task.cancel()

    async def request(
        self, request_id: str, user_request: UserRequest, arrival: Arrival | None = None
    ) -> Finished:
        """Carry one request to its end; without an `arrival` it is due now. Never raises: an error,
        a cancellation too, is written in the row."""
        now = self._clock.now()
        port = self._edge
        metrics = self.metrics
        if arrival is None:
            arrival = Arrival(now)
        late_s = now - arrival.due_s
        row = RequestRow(
            request_id=request_id,
            edge=self.edge_name,
            user=self.spec.user,
            device_class=self.spec.kind,
            process_id=0 if self._clock.virtual else os.getpid(),
            prompt=user_request.prompt,
            edge_prompt=user_request.prompt if self.asks_whole_prompt else user_request.edge_prompt,
            negative=user_request.negative or None,
            variation_seed=user_request.variation_seed,
            private_seed=user_request.private_seed,
            core_prompt=user_request.edge_prompt if self.asks_whole_prompt else None,
            due_s=arrival.due_s,
            arrived_s=now,
            arrival_late_s=late_s if late_s > TIMER_S else 0.0,
            think_s=arrival.think_s,
        )
        picture = None
        frame = None
        check = None
        start = None
        task = asyncio.current_task()
        assert task is not None
        self._asking[task] = None
        try:
            if self.empty:
                raise asyncio.CancelledError
            row.link_wait_s = await self._link.ready()
            if self._uplink is not None and user_request.start is not None:
                self._move("sending")
                start = await self._uplink.send(row, user_request.start)
            answer = await self._ask(row, user_request, start, port)
            if answer.frame is not None:
                await self._receive(row, answer.frame)
            picture = await self._finish(row, user_request, answer.frame)
            frame = answer.frame
            row.result = "done"
            check = self._requested_check(row, answer)
        except (PromptError, QueueFull) as error:
            row.result = "rejected"
            row.error = str(error)
        except TimeoutError:
            row.error = f"no output within the deadline of {self._scenario.deadline_s:g} s"
        # the run ended: the slowest requests must not vanish from its record
        except asyncio.CancelledError:
            row.result = "failed" if self.empty else "unfinished"
            row.error = BATTERY_EMPTY if self.empty else "it was stopped before it was finished"
            if not self.empty:  # how much more it would have taken nobody knows
                row.joules = row.receive_joules = None
        except MidstepError as error:
            row.error = str(error)
        except Exception as error:  # a device's failure is one row, not the host's end
            row.error = f"{type(error).__name__}: {error}"
        finally:
            del self._asking[task]
            self._move("thinking")
        row.slot = int(self._clock.now() // self._scenario.slot_seconds)
        metrics.ended(row)
        return Finished(row, picture, frame, check, port, start)

    def _limit(self, row: RequestRow, user_request: UserRequest, start: Start | None) -> int:
        """The reuse limit of a request. One that begins from a start picture past it can share
        nothing with other prompts: it then asks for its own in full."""
        steps = self._description.pipeline.steps
        if self._whole_pictures:
            return steps
        limit = self._limits.limit(replace(user_request, edge_prompt=row.edge_prompt))
        first = 0 if start is None else start.first_step(steps)
        if limit > first:
            return limit
        row.core_prompt = row.edge_prompt
        row.edge_prompt = row.prompt
        limit = self._limits.limit(replace(user_request, edge_prompt=row.edge_prompt))
        return max(first + 1, limit)  # a variation cannot be turned in before

    async def _ask(
        self, row: RequestRow, user_request: UserRequest, start: Start | None, port: EdgePort
    ) -> Answer:
        """The edge's answer to one request, its frame checked."""
        self._move("waiting")
        private = user_request.private_seed
        quality = None
        limit = self._limit(row, user_request, start)
        sent = replace(user_request, edge_prompt=row.edge_prompt)
        if self._whole_pictures:
            if private is None:
                private = user_request.variation_seed
        elif start is None:  # no table was measured on start pictures
            quality = self._limits.quality
        row.reuse_limit = limit
        row.reuse_class = self._limits.kind(sent)
        request = Request(
            request_id=row.request_id,
            prompt=row.edge_prompt,
            pipeline=self._pipeline,
            limit=limit,
            private_seed=private,
            user=self.spec.user,
            rate_bps=self._link.rate_bps,
            step_s=self._throttle.step_s,
            backlog_s=self._throttle.backlog_s,
            kind=row.reuse_class,
            quality=quality,
            negative=user_request.negative,
            start=start,
        )
        answer = await port.obtain(request, self._scenario.deadline_s / self._clock.scale)
        scenario_seed = self._description.scenario_seed
        output = OutputKey.of(
            self._pipeline,
            row.edge_prompt,
            private,
            scenario_seed,
            user_request.negative,
            None if start is None else start.key,
        )
        row.seed = output.seed
        row.prompt_key = output.digest()
        row.record_answer(answer, self._description.pipeline.steps)
        self._check(row, answer)
        if answer.donor_key:
            row.seed = answer.seed
        return answer

    def _check(self, row: RequestRow, answer: Answer) -> None:
        """Raise FrameError or PipelineMismatch for an answer that would make another picture."""
        frame = answer.frame
        if (frame is None) != (answer.reuse == "local"):
            what = "no frame" if frame is None else "a frame"
            raise FrameError(f"the edge answers {answer.reuse} with {what}")
        if frame is None:
            if answer.seed != row.seed:
                raise PipelineMismatch(
                    f"the edge gives seed {answer.seed} for {row.prompt_key[:12]}, its own is "
                    f"{row.seed}"
                )
            return
        if answer.donor_key:
            self._check_donor(row, answer)
        if not answer.donor_key:
            frame.verify(self._pipeline, row.prompt_key)
        elif frame.step == answer.reused_step:
            frame.verify(self._pipeline, answer.donor_key)
        else:  # the edge went on from the donor's output with this prompt
            mixed = mixed_key(row.prompt_key, answer.donor_key, answer.reused_step)
            frame.verify(self._pipeline, mixed)
        # past it the picture would be somebody else's, undamaged as it is
        if row.reuse_limit is not None and frame.step > row.reuse_limit:
            raise PipelineMismatch(
                f"the frame is at step {frame.step}, the request's reuse limit is {row.reuse_limit}"
            )

    def _check_donor(self, row: RequestRow, answer: Answer) -> None:
        """Raise PipelineMismatch for a donor that is not allowed, or not the one that it is said to
        be: it has to agree with this request in everything but its prompt and the shared seed."""
        shares = row.private_seed is None and not self._whole_pictures
        shares = shares and row.start_digest is None
        if not shares or self._scenario.reuse.similar is None:
            raise PipelineMismatch(
                f"the edge gives another prompt's output, {answer.donor_key[:12]}, which this "
                f"request did not allow"
            )
        if answer.donor_prompt is None:
            return
        seed = self._description.scenario_seed
        negative = row.negative or ""
        donor = OutputKey.of(self._pipeline, answer.donor_prompt, None, seed, negative)
        if (donor.digest(), donor.seed) != (answer.donor_key, answer.seed):
            raise PipelineMismatch(
                f"the edge gives output {answer.donor_key[:12]} of seed {answer.seed}, that of its "
                f"prompt is {donor.digest()[:12]} of seed {donor.seed}"
            )

    def _requested_check(self, row: RequestRow, answer: Answer) -> PictureCheck | None:
        """What the edge wants to know of the picture, where it does."""
        quality = self._limits.quality
        if not answer.check or quality is None or answer.frame is None:
            return None
        if answer.likeness:
            return PictureCheck(answer.likeness, answer.reused_step, quality)
        return PictureCheck(row.reuse_class or "", answer.frame.step, quality)

    async def _receive(self, row: RequestRow, frame: Frame) -> None:
        """Hold a frame until it has passed over the link, as often as it takes."""
        self._move("receiving")

        def arrives(resent: int, nbytes: int) -> bool:
            return self._came(row, frame, resent, nbytes)

        transfer = await self._link.transmit(frame.nbytes, row.due_s, arrives)
        row.transfer_s = transfer.achieved_s
        row.transfer_wait_s = transfer.booking.wait_s
        row.transfer_late_s = transfer.late_s
        row.frame_bytes = transfer.nbytes
        row.link_rate_bps = transfer.rate_bps

    def _came(self, row: RequestRow, frame: Frame, resent: int, nbytes: int) -> bool:
        """Whether a frame of `nbytes` that has passed is whole; receiving it takes its energy in
        any case."""
        row.resent = resent
        self._energy.receive(row, nbytes)
        fault = self._air.fault(frame, nbytes, row.request_id, resent)
        if fault is not None:
            self.metrics.frame_fault(fault)
        return fault is None

    async def _finish(
        self, row: RequestRow, user_request: UserRequest, frame: Frame | None
    ) -> bytes:
        """Steps m+1..S with the user's own prompt, all of them where there is no frame, and the
        decoding, held to the device's pace."""
        self._move("computing")
        if frame is None:  # nothing was on the air
            row.transfer_s = 0.0
            row.transfer_wait_s = 0.0
            row.frame_bytes = 0
            row.resent = 0
            row.receive_joules = 0.0
        done = 0 if frame is None else frame.step
        steps = self._description.pipeline.steps
        decoding = self._description.decode_s / self._description.step_s
        booking = self._throttle.book(self._clock.now(), steps - done + decoding, row.due_s)
        self._energy.begin(booking)
        variation = None
        # a finished picture has no steps left that could denoise a variation's fresh noise
        if user_request.variation_seed is not None and done < steps:
            variation = Variation(user_request.variation_seed)
        job = self._job(row, frame, variation)
        try:
            if done < steps:
                picture, truncated = (await self._engine.submit(job)).value
            else:  # decoding alone must not wait for the next step of the host's other devices
                picture, truncated = await self._engine.compute(lambda: job.finish(job.begin()))
            row.truncated = None if truncated is None else bool(row.truncated) or truncated
            stage = await self._throttle.hold(booking)
        except BaseException:
            self._energy.end(row, booking, self._clock.now())
            raise
        self._energy.end(row, booking, booking.due_s)
        row.device_s = stage.achieved_s
        row.device_wait_s = stage.booking.wait_s
        row.device_late_s = stage.late_s
        row.total_s = self._clock.now() - row.arrived_s
        if row.think_s is None and row.arrival_late_s is not None:  # an open arrival
            row.total_s += row.arrival_late_s
        stages = (row.uplink_s, row.queue_s, row.edge_s, row.transfer_s, row.device_s)
        row.overhead_s = row.total_s
        for spent in stages:
            row.overhead_s -= spent or 0.0
        return picture

    def _job(
        self, row: RequestRow, frame: Frame | None, variation: Variation | None
    ) -> AllSteps | LastSteps:
        """What the engine has to do for a request: what is left after the frame, or all of it."""
        denoiser = self._engine.denoiser
        if frame is not None:
            return LastSteps(
                denoiser=denoiser,
                frame=frame,
                prompt=row.prompt,
                variation=variation,
                negative=row.negative or "",
            )
        assert row.seed is not None  # `_ask` has filled it in
        return AllSteps(
            denoiser=denoiser,
            prompt=row.prompt,
            prompt_key=row.prompt_key,
            seed=row.seed,
            variation=variation,
            negative=row.negative or "",
        )

    def _move(self, state: str) -> None:
        if state != self.state:
            self.metrics.moved(self.state, state)
            self.state = state
