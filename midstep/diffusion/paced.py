"""A denoiser that computes no tensor: the engine waits out the profiled times. Tests use it as a
small fake, too."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from midstep.diffusion.denoise import Picture, Trajectory, Variation, check_steps
from midstep.diffusion.frame_numbers import is_lossy, narrowed_bytes
from midstep.diffusion.profile import StepProfile
from midstep.errors import PipelineMismatch, PromptError
from midstep.wire.frame import Frame
from midstep.wire.identity import PipelineIdentity
from midstep.wire.start import Start

__all__ = ["PACED_BYTES", "PacedDenoiser"]

# of a paced frame where the profile does not say: a 16 x 16 x 8 latent in float32
PACED_BYTES = 8192


class PacedDenoiser:
    """See midstep.diffusion.denoise.Denoiser. Frames have as many zeros as the profile says;
    pictures are of one grey level, which depends on the prompts. `at_once`: an advance takes all
    steps that are left, for an engine whose ticks take no time."""

    batched = True

    def __init__(
        self, identity: PipelineIdentity, profile: StepProfile, *, at_once: bool = False
    ) -> None:
        self.identity = identity
        self._profile = profile
        self._numbers = "float32"
        self._at_once = at_once
        self._blob = bytes(profile.frame_bytes or PACED_BYTES)

    @property
    def profile(self) -> StepProfile:
        return self._profile

    @property
    def frame_numbers(self) -> str:
        return self._numbers

    @frame_numbers.setter
    def frame_numbers(self, numbers: str) -> None:
        self._numbers = numbers
        wide = self._profile.frame_bytes or PACED_BYTES
        self._blob = bytes(narrowed_bytes(wide, numbers, self.identity.dtype))

    @property
    def lossy(self) -> bool:
        return is_lossy(self._numbers, self.identity.dtype)

    def begin(
        self,
        prompt: str,
        seed: int,
        until: int,
        *,
        negative: str = "",
        start: Start | None = None,
    ) -> Trajectory:
        if start is not None:
            raise PromptError("a paced edge computes nothing, from a start picture as from noise")
        check_steps(0, self.identity.steps, until)
        return Trajectory(
            prompt=prompt,
            step=0,
            steps=self.identity.steps,
            until=until,
            negative=negative,
        )

    def resume(
        self,
        frame: Frame,
        prompt: str,
        until: int,
        variation: Variation | None,
        *,
        negative: str = "",
    ) -> Trajectory:
        check_steps(frame.step, self.identity.steps, until)
        if len(frame.payload) != len(self._blob):
            raise PipelineMismatch(
                f"the frame has {len(frame.payload)} bytes, a paced one {len(self._blob)}"
            )
        return Trajectory(
            prompt=prompt,
            step=frame.step,
            steps=self.identity.steps,
            until=until,
            negative=negative,
        )

    def advance(self, batch: Sequence[Trajectory]) -> None:
        for trajectory in batch:
            step = trajectory.until if self._at_once else trajectory.step + 1
            trajectory.step = step
            if trajectory.history is not None:
                trajectory.history[step] = None  # there is no tensor

    def freeze(self, trajectory: Trajectory, prompt_key: str, step: int | None = None) -> Frame:
        step = trajectory.step if step is None else step
        return Frame.seal(self.identity.digest(), prompt_key, step, self.identity.steps, self._blob)

    def decode(self, trajectory: Trajectory) -> Picture:
        words = trajectory.prompt + trajectory.negative
        return np.full((8, 8, 3), zlib.crc32(words.encode()) % 256, np.uint8)

    def truncated(self, prompt: str) -> bool | None:
        return None  # no tokenizer reads it

    def embed(self, prompt: str) -> NDArray[np.float32] | None:
        return None
