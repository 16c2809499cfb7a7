"""A denoiser without tensors whose frames say what they are: prompt, seed and step."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

from midstep.diffusion.denoise import Trajectory, Variation
from midstep.diffusion.paced import PacedDenoiser
from midstep.wire.frame import Frame
from midstep.wire.start import Start
from tests import paced
from tests.edge_node.world import FRAME

__all__ = ["MarkedDenoiser", "mark", "started"]


def mark(prompt: str, seed: int, step: int) -> bytes:
    """The payload of that output."""
    return f"{prompt}|{seed}|{step}".encode().ljust(FRAME)


def started(seed: int, start: Start) -> int:
    """What stands in a mark for a seed where the trajectory began from a picture."""
    return seed + zlib.crc32(repr(start.key).encode())


class MarkedDenoiser(PacedDenoiser):
    """`batched`: a step a call; else from cut to cut, as families that do not batch."""

    def __init__(self, *, batched: bool) -> None:
        super().__init__(paced.identity(), paced.PROFILE)
        self.batched = batched  # type: ignore[misc]
        self.fails = False  # every call from now on

    def begin(
        self,
        prompt: str,
        seed: int,
        until: int,
        *,
        negative: str = "",
        start: Start | None = None,
    ) -> Trajectory:
        self._check()
        trajectory = super().begin(prompt, seed, until, negative=negative)
        trajectory.body = seed
        if start is not None:
            trajectory.step = trajectory.ended = start.first_step(self.identity.steps)
            trajectory.body = started(seed, start)
        return trajectory

    def resume(
        self,
        frame: Frame,
        prompt: str,
        until: int,
        variation: Variation | None,
        *,
        negative: str = "",
    ) -> Trajectory:
        self._check()
        name, seed, step = frame.payload.decode().split("|")
        assert (name, int(step)) == (prompt, frame.step) and frame.step < until
        return Trajectory(
            prompt=prompt,
            step=frame.step,
            steps=self.identity.steps,
            until=until,
            body=int(seed),
        )

    def advance(self, batch: Sequence[Trajectory]) -> None:
        self._check()
        for trajectory in batch:
            assert trajectory.history is not None
            trajectory.step = trajectory.step + 1 if self.batched else trajectory.until
            trajectory.history[trajectory.step] = mark(
                trajectory.prompt, trajectory.body, trajectory.step
            )

    def freeze(self, trajectory: Trajectory, prompt_key: str, step: int | None = None) -> Frame:
        self._check()
        assert trajectory.history is not None and step is not None
        payload = trajectory.history[step]
        return Frame.seal(self.identity.digest(), prompt_key, step, self.identity.steps, payload)

    def _check(self) -> None:
        if self.fails:
            raise RuntimeError("the network is gone")
