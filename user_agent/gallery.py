"""Comparison of pictures: an ended request's, as it was, beside the same made without reuse."""

from __future__ import annotations

from midstep.diffusion.engine import Engine
from midstep.radio import physics
from midstep.telemetry.record import Gallery
from user_agent.finished import Finished
from user_agent.pictures import AsReceived, WholePicture, pixels, png

__all__ = ["compare"]


async def compare(finished: Finished, engine: Engine) -> Gallery:
    """A finished request's frame as received, its picture, and the picture made again without
    reuse, which are computed by the engine."""
    denoiser = engine.denoiser
    row = finished.row
    frame = finished.frame
    assert row.seed is not None and finished.picture is not None
    as_received = None
    if frame is not None:
        job = AsReceived(denoiser=denoiser, frame=frame, prompt=row.prompt)
        as_received = (await engine.submit(job)).value
    alone = await engine.submit(
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
        start=None if finished.start is None else finished.start.png,
    )
