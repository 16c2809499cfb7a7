"""The engine's jobs of a host of devices, and pictures as PNG."""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from midstep.diffusion.denoise import Denoiser, Picture, Trajectory, Variation
from midstep.wire.frame import Frame
from midstep.wire.start import Start

__all__ = ["AllSteps", "AsReceived", "LastSteps", "WholePicture", "pixels", "png"]

PACED_BYTES = 192  # a paced picture is 8 x 8, of one of 256 grey levels


@dataclass(frozen=True, kw_only=True)
class LastSteps:
    """Completes a frame to the picture (PNG); also says whether the tokenizer truncates the prompt,
    None where there is no tokenizer."""

    denoiser: Denoiser
    frame: Frame
    prompt: str
    variation: Variation | None
    negative: str = ""

    def begin(self) -> Trajectory:
        steps = self.denoiser.identity.steps
        return self.denoiser.resume(
            self.frame, self.prompt, steps, self.variation, negative=self.negative
        )

    def finish(self, trajectory: Trajectory) -> tuple[bytes, bool | None]:
        return png(self.denoiser.decode(trajectory)), self.denoiser.truncated(self.prompt)


@dataclass(frozen=True, kw_only=True)
class AllSteps:
    """Makes the whole picture (PNG) from the noise of `seed`; else as LastSteps. A variation turns
    the latent after the first step, as at a hand-over there: some families give no noise away."""

    denoiser: Denoiser
    prompt: str
    prompt_key: str
    seed: int
    variation: Variation | None
    negative: str = ""

    def begin(self) -> Trajectory:
        steps = self.denoiser.identity.steps
        if self.variation is None:
            return self.denoiser.begin(self.prompt, self.seed, steps, negative=self.negative)
        first = self.denoiser.begin(self.prompt, self.seed, 1, negative=self.negative)
        while first.step < first.until:  # some solvers take two calls for a step
            self.denoiser.advance([first])
        frame = self.denoiser.freeze(first, self.prompt_key)
        return self.denoiser.resume(
            frame, self.prompt, steps, self.variation, negative=self.negative
        )

    def finish(self, trajectory: Trajectory) -> tuple[bytes, bool | None]:
        return png(self.denoiser.decode(trajectory)), self.denoiser.truncated(self.prompt)


@dataclass(frozen=True, kw_only=True)
class AsReceived:
    """A frame as it came, decoded (PNG): no step is done."""

    denoiser: Denoiser
    frame: Frame
    prompt: str

    def begin(self) -> Trajectory:
        return self.denoiser.resume(self.frame, self.prompt, self.frame.step, None)

    def finish(self, trajectory: Trajectory) -> bytes:
        return png(self.denoiser.decode(trajectory))


@dataclass(frozen=True, kw_only=True)
class WholePicture:
    """A picture from noise, or from a start picture, without reuse."""

    denoiser: Denoiser
    prompt: str
    seed: int
    negative: str = ""
    start: Start | None = None

    def begin(self) -> Trajectory:
        steps = self.denoiser.identity.steps
        return self.denoiser.begin(
            self.prompt, self.seed, steps, negative=self.negative, start=self.start
        )

    def finish(self, trajectory: Trajectory) -> Picture:
        return self.denoiser.decode(trajectory)


def png(picture: Picture) -> bytes:
    """A uint8 [height, width, 3] picture as PNG."""
    if picture.nbytes <= PACED_BYTES:  # one of few
        return _paced_png(picture.tobytes(), picture.shape)
    return _encode(picture)


@lru_cache(512)
def _paced_png(data: bytes, shape: tuple[int, ...]) -> bytes:
    return _encode(np.frombuffer(data, np.uint8).reshape(shape))


def _encode(picture: Picture) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return buffer.getvalue()


def pixels(data: bytes) -> NDArray[np.uint8]:
    """uint8 [height, width, 3] of a PNG."""
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
