"""A denoiser whose pictures go on from a shared output well up to a step, and badly after it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from midstep.diffusion.denoise import Picture, Trajectory, Variation
from midstep.wire.frame import Frame
from midstep.wire.identity import PipelineIdentity
from tests import paced

STEPS = 6
GOOD = 3  # the last step from which a user's own picture still comes out


class FakeDenoiser:
    """See midstep.diffusion.denoise.Denoiser. `drawn` counts the pictures that were decoded, by
    prompt, seed and the step that they went on from; after `dies_after` of them it is
    interrupted."""

    batched = True
    profile = None

    def __init__(self, dies_after: int | None = None) -> None:
        self.identity: PipelineIdentity = paced.identity(steps=STEPS)
        self.drawn: Counter[tuple[str, int, int]] = Counter()
        self.largest_batch = 0
        self._dies_after = dies_after

    def begin(self, prompt: str, seed: int, until: int) -> Trajectory:
        return Trajectory(prompt=prompt, step=0, steps=STEPS, until=until, body=(seed, 0))

    def resume(
        self, frame: Frame, prompt: str, until: int, variation: Variation | None
    ) -> Trajectory:
        return Trajectory(
            prompt=prompt,
            step=frame.step,
            steps=STEPS,
            until=until,
            body=(int(frame.payload), frame.step),
        )

    def advance(self, batch: Sequence[Trajectory]) -> None:
        self.largest_batch = max(self.largest_batch, len(batch))
        for trajectory in batch:
            trajectory.step += 1

    def freeze(self, trajectory: Trajectory, prompt_key: str) -> Frame:
        seed = str(trajectory.body[0]).encode()
        return Frame.seal(self.identity.digest(), prompt_key, trajectory.step, STEPS, seed)

    def decode(self, trajectory: Trajectory) -> Picture:
        seed, cut = trajectory.body
        if trajectory.step == STEPS:
            self.drawn[trajectory.prompt, seed, cut] += 1
        if self._dies_after is not None and self.drawn.total() > self._dies_after:
            raise KeyboardInterrupt
        picture = np.random.default_rng(seed).integers(0, 200, (16, 16, 3))
        noise = np.random.default_rng(seed + 1).normal(0, cut if cut <= GOOD else 90, picture.shape)
        drawn: Picture = (picture + noise).clip(0, 255).astype(np.uint8)
        return drawn

    def embed(self, prompt: str) -> None:
        """Nothing: it has no text encoder."""

    def truncated(self, prompt: str) -> bool | None:
        return None
