"""What a device does of a picture itself: the steps after the hand-over and the decoding, held to
the device's pace, with their energy and times."""

from __future__ import annotations

from midstep.diffusion.denoise import Denoiser, Variation
from midstep.diffusion.engine import Engine
from midstep.telemetry.record import RequestRow
from midstep.wire.frame import Frame
from user_agent.attachment import Attachment
from user_agent.booking import Stage
from user_agent.energy import Energy
from user_agent.pictures import AllSteps, LastSteps
from user_agent.throttle import Throttle

__all__ = ["OwnSteps"]


class OwnSteps:
    """One device's own part of its pictures, computed by its host's `engine` and handed over when
    its `throttle` allows."""

    def __init__(
        self, engine: Engine, throttle: Throttle, energy: Energy, attachment: Attachment
    ) -> None:
        self._engine = engine
        self._clock = engine.clock
        self._throttle = throttle
        self._energy = energy
        self._attachment = attachment

    async def finish(self, row: RequestRow, frame: Frame | None) -> bytes:
        """The picture (PNG): steps m+1..S with the user's own prompt, all of them where there is
        no frame, and the decoding."""
        self._attachment.move("computing")
        if frame is None:
            _enter_no_transfer(row)
        done = 0 if frame is None else frame.step
        description = self._attachment.description
        steps = description.pipeline.steps
        decoding = description.decode_s / description.step_s
        booking = self._throttle.book(self._clock.now(), steps - done + decoding, row.due_s)
        self._energy.begin(booking)
        variation = None
        # a finished picture has no steps left that could denoise a variation's fresh noise
        if row.variation_seed is not None and done < steps:
            variation = Variation(row.variation_seed)
        job = _job(self._engine.denoiser, row, frame, variation)
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
        _enter_times(row, stage, self._clock.now())
        return picture


def _job(
    denoiser: Denoiser, row: RequestRow, frame: Frame | None, variation: Variation | None
) -> AllSteps | LastSteps:
    """What the engine has to do for a request: what is left after the frame, or all of it."""
    if frame is not None:
        return LastSteps(
            denoiser=denoiser,
            frame=frame,
            prompt=row.prompt,
            variation=variation,
            negative=row.negative or "",
        )
    assert row.seed is not None  # the answer without a frame had it
    return AllSteps(
        denoiser=denoiser,
        prompt=row.prompt,
        prompt_key=row.prompt_key,
        seed=row.seed,
        variation=variation,
        negative=row.negative or "",
    )


def _enter_no_transfer(row: RequestRow) -> None:
    """Enter that nothing was on the air."""
    row.transfer_s = 0.0
    row.transfer_wait_s = 0.0
    row.frame_bytes = 0
    row.resent = 0
    row.receive_joules = 0.0


def _enter_times(row: RequestRow, stage: Stage, now_s: float) -> None:
    """Enter how long the device's own stage took, the whole request, and what of it is in no
    stage."""
    row.device_s = stage.achieved_s
    row.device_wait_s = stage.booking.wait_s
    row.device_late_s = stage.late_s
    row.total_s = now_s - row.arrived_s
    if row.think_s is None and row.arrival_late_s is not None:  # an open arrival
        row.total_s += row.arrival_late_s
    stages = (row.uplink_s, row.queue_s, row.edge_s, row.transfer_s, row.device_s)
    row.overhead_s = row.total_s
    for spent in stages:
        row.overhead_s -= spent or 0.0
