"""An intermediate output on the wire: its identity, its tensors, and a checksum over both.

The tensors (latent, solver state, random state) travel in the safetensors format, which cannot
execute anything and is checked for overlapping or overlong regions when read. This file never looks
inside them, so a process that only stores or paces frames needs no torch.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from midstep.errors import FrameError, PipelineMismatch

__all__ = ["PAYLOAD_LIMIT", "Frame"]

PAYLOAD_LIMIT = 256 << 20  # bytes; refused before anything is allocated


@dataclass(frozen=True)
class Frame:
    """The output of step `step` of `steps`.

    `pipeline` and `prompt_key` are digests (midstep.wire.identity), `payload` a safetensors blob
    (midstep.diffusion.payload), `checksum` the CRC-32 of everything else.
    """

    pipeline: str
    prompt_key: str
    step: int
    steps: int
    payload: bytes
    checksum: int

    @classmethod
    def seal(cls, pipeline: str, prompt_key: str, step: int, steps: int, payload: bytes) -> Frame:
        """A frame with its checksum computed."""
        return cls(
            pipeline,
            prompt_key,
            step,
            steps,
            payload,
            _checksum(pipeline, prompt_key, step, steps, payload),
        )

    @property
    def nbytes(self) -> int:
        """Bytes that the store counts: the payload's."""
        return len(self.payload)

    def verify(self, pipeline: str, prompt_key: str) -> None:
        """Check that this is an undamaged frame of just that pipeline and prompt.

        Raises FrameError for damage, PipelineMismatch for another's frame.
        """
        if (
            _checksum(self.pipeline, self.prompt_key, self.step, self.steps, self.payload)
            != self.checksum
        ):
            raise FrameError(
                f"the frame of {self.prompt_key[:12]} at step {self.step} is damaged: its checksum "
                f"differs"
            )
        if self.pipeline != pipeline:
            raise PipelineMismatch(
                f"the frame is of pipeline {self.pipeline[:12]}, asked was {pipeline[:12]}"
            )
        if self.prompt_key != prompt_key:
            raise PipelineMismatch(
                f"the frame is of prompt {self.prompt_key[:12]}, asked was {prompt_key[:12]}"
            )
        if not 0 <= self.step <= self.steps:
            raise PipelineMismatch(f"the frame says step {self.step} of {self.steps}")


def _checksum(pipeline: str, prompt_key: str, step: int, steps: int, payload: bytes) -> int:
    about = f"{pipeline}|{prompt_key}|{step}|{steps}"
    # in-process an answer may hold a lone surrogate, which is no UTF-8
    return zlib.crc32(payload, zlib.crc32(about.encode("utf-8", "surrogatepass")))
