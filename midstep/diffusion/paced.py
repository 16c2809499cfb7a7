"""A denoiser that computes no tensor: the engine waits out the profiled times. Ships as the small
fake, too."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np

from midstep.diffusion.denoise import Picture, Trajectory, Variation, check_steps
from midstep.diffusion.profile import StepProfile
from midstep.errors import FrameError
from midstep.wire.frame import Frame
from midstep.wire.identity import PipelineIdentity

PACED_BYTES = 8192  # of a paced frame: a 16 x 16 x 8 latent in float32


class PacedDenoiser:
    """See midstep.diffusion.denoise.Denoiser. Frames have `frame_bytes` zeros; pictures one grey
    level that tells the prompt."""

    batched = True

    def __init__(
        self, identity: PipelineIdentity, profile: StepProfile, frame_bytes: int = PACED_BYTES
    ) -> None:
        self.identity = identity
        self._profile = profile
        self._blob = bytes(frame_bytes)

    @property
    def profile(self) -> StepProfile | None:
        return self._profile

    def begin(self, prompt: str, seed: int, until: int) -> Trajectory:
        check_steps(0, self.identity.steps, until)
        return Trajectory(prompt, 0, self.identity.steps, until)

    def resume(
        self, frame: Frame, prompt: str, until: int, variation: Variation | None
    ) -> Trajectory:
        check_steps(frame.step, self.identity.steps, until)
        if len(frame.payload) != len(self._blob):
            raise FrameError(
                f"the frame has {len(frame.payload)} bytes, a paced one {len(self._blob)}"
            )
        return Trajectory(prompt, frame.step, self.identity.steps, until)

    def advance(self, batch: Sequence[Trajectory]) -> None:
        for trajectory in batch:
            trajectory.step += 1

    def freeze(self, trajectory: Trajectory, prompt_key: str) -> Frame:
        return Frame.seal(
            self.identity.digest(), prompt_key, trajectory.step, self.identity.steps, self._blob
        )

    def decode(self, trajectory: Trajectory) -> Picture:
        return np.full((8, 8, 3), zlib.crc32(trajectory.prompt.encode()) % 256, np.uint8)

    def truncated(self, prompt: str) -> bool:
        return False
