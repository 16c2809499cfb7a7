"""A diffusers pipeline cut at step m: first part, resume, decode. What engine, edge and device know
of diffusion.

Three denoisers do the work behind one interface: `batched` (SD 1.x, SDXL: every request in flight
advances in one call of the network), `windowed` (any other diffusers pipeline, one request at a
time), and `paced` (no tensor is computed; the measured time is waited out by the engine).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from midstep.diffusion.profile import StepProfile
from midstep.wire.frame import Frame
from midstep.wire.identity import PipelineIdentity
from midstep.wire.start import Start

__all__ = [
    "VARIATION_STRENGTH",
    "Denoiser",
    "Picture",
    "Trajectory",
    "Variation",
    "check_steps",
]

Picture = NDArray[np.uint8]  # [height, width, 3]

VARIATION_STRENGTH = 0.35  # share of the latent's direction that a variation seed replaces


@dataclass(frozen=True)
class Variation:
    """A user's own variation: at the hand-over the latent is turned towards fresh noise of this
    seed.

    x' = sqrt(1 - strength^2) x + strength std(x) n keeps the latent's variance whatever the solver
    is (the variation seed of the Stable Diffusion user interfaces, applied at step m instead of
    step 0). Stochastic solvers draw their remaining noise from `seed` too.
    """

    seed: int
    strength: float = VARIATION_STRENGTH


@dataclass(slots=True, kw_only=True)
class Trajectory:
    """One picture on its way from noise to image: `step` of `steps` are done, it stops at `until`.
    `body` belongs to the denoiser.

    `until` may be moved while it is on its way. Where `history` is a dictionary the denoiser leaves
    a reference to each step's output there, which `freeze` can take later. `ended` is the last step
    whose tick has ended: a paced step is done at once, and takes its time all the same.
    """

    prompt: str
    step: int
    steps: int
    until: int
    body: Any = field(repr=False, default=None)
    history: dict[int, Any] | None = field(repr=False, default=None)
    ended: int = -1
    negative: str = ""

    def __post_init__(self) -> None:
        if self.ended < 0:
            self.ended = self.step


class Denoiser(Protocol):
    """The heavy part. Not thread-safe: the engine calls it from one thread at a time."""

    identity: PipelineIdentity
    batched: bool  # True: advance() takes one step; False: it runs one trajectory to its `until`
    frame_numbers: str  # of the frames that `freeze` packs (reuse.frame): float32, float16, int8

    @property
    def profile(self) -> StepProfile | None:
        """The step times to use instead of measured ones, None where this denoiser's own time
        counts."""

    @property
    def lossy(self) -> bool:
        """Whether such frames have fewer bits than the pipeline computes with: what goes on from
        one is no original."""

    def begin(
        self,
        prompt: str,
        seed: int,
        until: int,
        *,
        negative: str = "",
        start: Start | None = None,
    ) -> Trajectory:
        """Noise of `seed`, about to be denoised for `prompt`, and away from `negative` where that
        is not empty; text encoding included. With a `start` picture that picture under this noise,
        at its first step. Raises PromptError where the pipeline takes no negative prompt, or no
        picture."""

    def resume(
        self,
        frame: Frame,
        prompt: str,
        until: int,
        variation: Variation | None,
        *,
        negative: str = "",
    ) -> Trajectory:
        """Go on from `frame`, for `prompt` and `negative` as in `begin`. Raises FrameError where
        the payload cannot be read, PipelineMismatch where it is another pipeline's, PromptError."""

    def advance(self, batch: Sequence[Trajectory]) -> None:
        """One denoising step for every trajectory, each at its own timestep, in place."""

    def freeze(self, trajectory: Trajectory, prompt_key: str, step: int | None = None) -> Frame:
        """The intermediate output as it travels, None: as it is now, else at a `step` of the
        history. The trajectory may go on, also in another thread. Raises KeyError for a step that
        the history has not."""

    def decode(self, trajectory: Trajectory) -> Picture:
        """The picture in the latent as it is, finished or not; uint8 [height, width, 3]."""

    def truncated(self, prompt: str) -> bool | None:
        """Whether the tokenizer cuts this prompt, as diffusers does; None where there is none."""

    def embed(self, prompt: str) -> NDArray[np.float32] | None:
        """The prompt in the text encoder's own space, (d,), of any length: the mean over its own
        tokens. None where there is no text encoder."""


def check_steps(step: int, steps: int, until: int) -> None:
    """Check a stretch of the schedule. Raises ValueError unless 0 <= step <= until <= steps."""
    if not 0 <= step <= until <= steps:
        raise ValueError(f"cannot run steps {step + 1}..{until} of {steps}")
