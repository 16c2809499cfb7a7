"""The engine's jobs of a host of devices, and pictures as PNG."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from midstep.diffusion.denoise import Denoiser, Picture, Trajectory, Variation
from midstep.wire.frame import Frame

__all__ = ["AsReceived", "LastSteps", "WholePicture", "pixels", "png"]


@dataclass(frozen=True, kw_only=True)
class LastSteps:
    """Completes a frame to the picture (PNG); also says whether the tokenizer truncates the prompt,
    None where there is no tokenizer."""

    denoiser: Denoiser
    frame: Frame
    prompt: str
    variation: Variation | None

    def begin(self) -> Trajectory:
        steps = self.denoiser.identity.steps
        return self.denoiser.resume(self.frame, self.prompt, steps, self.variation)

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
    """A picture from noise, without reuse."""

    denoiser: Denoiser
    prompt: str
    seed: int

    def begin(self) -> Trajectory:
        return self.denoiser.begin(self.prompt, self.seed, self.denoiser.identity.steps)

    def finish(self, trajectory: Trajectory) -> Picture:
        return self.denoiser.decode(trajectory)


def png(picture: Picture) -> bytes:
    """A uint8 [height, width, 3] picture as PNG."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return buffer.getvalue()


def pixels(data: bytes) -> NDArray[np.uint8]:
    """uint8 [height, width, 3] of a PNG."""
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
