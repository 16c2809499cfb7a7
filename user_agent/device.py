"""One user's device: ask the edge, receive over the link, finish the picture at its own pace."""

from __future__ import annotations

import asyncio
import io
import os
from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image

from midstep.clock import Clock
from midstep.diffusion.denoise import Picture, Trajectory, Variation
from midstep.diffusion.engine import Engine
from midstep.errors import MidstepError, PromptError, QueueFull
from midstep.radio.fading import DeviceChannel, DeviceSpec
from midstep.scenario import Scenario
from midstep.telemetry.metrics import UserMetrics
from midstep.telemetry.record import RequestRow
from midstep.wire.frame import Frame
from midstep.wire.identity import OutputKey, shared_seed
from midstep.wire.messages import Description, EdgePort, Request
from midstep.workload.requests import UserRequest
from user_agent.link import Link
from user_agent.throttle import Throttle


@dataclass(frozen=True)
class Finished:
    """A row, and where the request came that far its picture (PNG) and the frame as it was
    received."""

    row: RequestRow
    picture: bytes | None = None
    frame: Frame | None = None


class Device:
    """Devices of one host share `engine`; each has its own link, throttle and identity check."""

    def __init__(
        self,
        spec: DeviceSpec,
        scenario: Scenario,
        edge: EdgePort,
        engine: Engine,
        clock: Clock,
        description: Description,
        metrics: UserMetrics,
        whole: bool,
    ) -> None:
        self.spec = spec
        self._scenario = scenario
        self._edge = edge
        self._engine = engine
        self._clock = clock
        self._about = description
        self._metrics = metrics
        self._whole = whole
        channel = DeviceChannel(scenario.channel, spec, scenario.seed)
        slot = scenario.slot_seconds
        self._link = Link(channel, clock, slot, scenario.channel.frame_bytes)
        self._throttle = Throttle(channel, clock, slot, description.step_s)
        self._pipeline = description.pipeline.digest()
        self.state = "thinking"

    async def request(self, request_id: str, user_request: UserRequest) -> Finished:
        """Live one request to its end. Never raises: what went wrong, a cancellation too, is in the
        row."""
        row = RequestRow(
            request_id=request_id,
            edge=self._about.edge,
            user=self.spec.user,
            device_class=self.spec.kind,
            process_id=os.getpid(),
            prompt=user_request.prompt,
            edge_prompt=user_request.prompt if self._whole else user_request.edge_prompt,
            variation_seed=user_request.variation_seed,
            arrived_s=self._clock.now(),
        )
        picture = None
        frame = None
        try:
            frame, picture = await self._live(row, user_request)
            row.result = "done"
        except (PromptError, QueueFull) as error:
            row.result = "rejected"
            row.error = str(error)
        except TimeoutError:
            row.result = "failed"
            row.error = f"no output within the deadline of {self._scenario.deadline_s:g} s"
        except (
            asyncio.CancelledError
        ):  # the run ended: the slowest requests must not vanish from its record
            row.result = "failed"
            row.error = "it was stopped before it was finished"
        except MidstepError as error:
            row.result = "failed"
            row.error = str(error)
        except Exception as error:  # a device's failure is one row, not the host's end
            row.result = "failed"
            row.error = f"{type(error).__name__}: {error}"
        finally:
            self._move("thinking")
        row.slot = int(self._clock.now() // self._scenario.slot_seconds)
        self._metrics.ended(row)
        return Finished(row, picture, frame)

    async def _live(self, row: RequestRow, user_request: UserRequest) -> tuple[Frame, bytes]:
        clock = self._clock
        steps = self._about.pipeline.steps
        self._move("waiting")
        private = (
            user_request.private_seed
            if not self._whole
            else user_request.private_seed or user_request.variation_seed
        )
        ask = Request(
            row.request_id, row.edge_prompt, self._pipeline, self._about.split_step, private
        )
        scale = clock.scale
        answer = await self._edge.obtain(ask, self._scenario.deadline_s / scale)
        seed = (
            shared_seed(row.edge_prompt, self._about.scenario_seed) if private is None else private
        )
        row.prompt_key = OutputKey(
            self._pipeline, row.edge_prompt, seed, private is not None
        ).digest()
        row.seed = seed
        row.truncated = answer.truncated
        row.reuse = answer.reuse
        row.similarity = answer.similarity
        answer.frame.verify(self._pipeline, row.prompt_key)
        row.edge_steps = answer.edge_steps
        row.saved_steps = answer.saved_steps
        row.device_steps = steps - answer.frame.step
        row.queue_s = answer.queue_s
        row.edge_s = answer.edge_s
        self._move("receiving")
        transfer = await self._link.transmit(answer.frame.nbytes)
        row.transfer_s = transfer.achieved_s
        row.transfer_late_s = transfer.late_s
        row.frame_bytes = transfer.nbytes
        row.link_rate_bps = transfer.rate_bps
        self._move("computing")
        picture = await self._finish(row, user_request, answer.frame)
        row.total_s = clock.now() - row.arrived_s
        row.overhead_s = (
            row.total_s - row.queue_s - row.edge_s - row.transfer_s - (row.device_s or 0.0)
        )
        return answer.frame, picture

    async def _finish(self, row: RequestRow, user_request: UserRequest, frame: Frame) -> bytes:
        """Steps m+1..S with the user's own prompt, and the decoding, held to the device's pace."""
        start = self._clock.now()
        steps = self._about.pipeline.steps
        work = steps - frame.step + self._about.decode_s / self._about.step_s
        due = self._throttle.due(start, work)
        denoiser = self._engine.denoiser
        finished = frame.step == steps  # nothing would smooth the fresh noise of a variation
        variation = (
            None
            if user_request.variation_seed is None or finished
            else Variation(user_request.variation_seed)
        )

        def resume() -> Trajectory:
            row.truncated = row.truncated or denoiser.truncated(user_request.prompt)
            return denoiser.resume(frame, user_request.prompt, steps, variation)

        outcome = await self._engine.submit(resume, encoder(denoiser.decode), decodes=True)
        pace = await self._throttle.hold(start, due)
        row.device_s = pace.achieved_s
        row.device_late_s = pace.late_s
        row.joules = self.spec.watts * pace.commanded_s
        return outcome.value

    def _move(self, state: str) -> None:
        if state != self.state:
            self._metrics.moved(self.state, state)
            self.state = state


def encoder(decode: Callable[[Trajectory], Picture]) -> Callable[[Trajectory], bytes]:
    """Decode and compress, where the engine computes."""
    return lambda trajectory: png(decode(trajectory))


def png(picture: Picture) -> bytes:
    """A uint8 [height, width, 3] picture as PNG."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return buffer.getvalue()
