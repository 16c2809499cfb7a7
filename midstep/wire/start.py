"""Start pictures: what an image-to-image request begins from instead of noise alone."""

from __future__ import annotations

import hashlib
import io
import math
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from midstep.errors import PromptError

__all__ = ["PNG_LIMIT", "Start", "StartKey", "first_step"]

PNG_LIMIT = 3 << 20  # bytes of a picture on its way up; a request has at most 4 MB


def first_step(steps: int, strength: float) -> int:
    """The step of `steps` that a picture with the noise of this strength stands at, from which its
    trajectory begins: the last int(strength S) steps are left, as in diffusers' image-to-image
    pipelines."""
    return steps - min(int(steps * strength), steps)


@dataclass(frozen=True, kw_only=True)
class StartKey:
    """What of a start is part of an output's identity: SHA-256 of the picture's pixels, in hex, and
    the strength."""

    digest: str
    strength: float


@dataclass(frozen=True, kw_only=True)
class Start:
    """A start picture (PNG bytes) and its strength, above 0 to 1: how much of the way from noise to
    picture is gone again. At 1 all steps are, and the picture shows through its noise alone."""

    png: bytes = field(repr=False)
    strength: float

    def first_step(self, steps: int) -> int:
        """See `first_step`."""
        return first_step(steps, self.strength)

    def check(self, steps: int, height: int, width: int) -> None:
        """Raise PromptError unless a pipeline of `steps` that draws `height` x `width` pixels can
        begin from it. Of a picture of another size nothing but its header is read."""
        if not (math.isfinite(self.strength) and 0 < self.strength <= 1):
            raise PromptError(f"the strength is {self.strength:g}, give one above 0, and at most 1")
        if self.first_step(steps) >= steps:
            raise PromptError(
                f"strength {self.strength:g} leaves none of {steps} steps: give {1 / steps:.3g} or "
                f"more"
            )
        if len(self.png) > PNG_LIMIT:
            raise PromptError(
                f"the start picture has {len(self.png)} bytes, the limit is {PNG_LIMIT}"
            )
        size = self._read()[0]
        if size != (width, height):
            raise PromptError(
                f"the start picture is {size[0]} x {size[1]} pixels, this pipeline draws {width} x "
                f"{height}"
            )
        _ = self.pixels

    @cached_property
    def pixels(self) -> NDArray[np.uint8]:
        """uint8 [height, width, 3]. Raises PromptError for what is no PNG."""
        return self._read(True)[1]

    @cached_property
    def key(self) -> StartKey:
        """What of it is part of an output's identity."""
        digest = hashlib.sha256(self.pixels.tobytes()).hexdigest()
        return StartKey(digest=digest, strength=self.strength)

    def _read(self, whole: bool = False) -> tuple[tuple[int, int], NDArray[np.uint8]]:
        """Width and height, and where the `whole` is wanted the pixels."""
        from PIL import Image

        try:
            with Image.open(io.BytesIO(self.png), formats=("PNG",)) as image:
                size = image.size
                if not whole:
                    return size, np.empty((0, 0, 3), np.uint8)
                return size, np.asarray(image.convert("RGB"))
        # of a damaged file Pillow raises these and others of its own, which are kinds of them
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise PromptError(f"the start picture is no PNG that can be read: {error}") from error
