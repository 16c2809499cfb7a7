"""The latent that a picture of SD 1.x or SDXL begins from: noise alone, or a start picture under
its noise, drawn by the stock pipelines."""

from __future__ import annotations

from typing import Any

import torch
from PIL import Image

from midstep.diffusion.image_to_image import open_image_to_image
from midstep.wire.identity import PipelineIdentity
from midstep.wire.start import Start

__all__ = ["FirstLatent"]


class FirstLatent:
    """Draws first latents, [1, channels, h, w] each. `pipe` has the scheduler of the whole
    schedule: the noise is scaled by its init_noise_sigma, which depends on the steps."""

    def __init__(self, pipe: Any, identity: PipelineIdentity) -> None:
        self._pipe = pipe
        self._device = pipe.unet.device
        self._size = identity.height, identity.width
        self._image_to_image: Any = None  # opened for the first start picture

    def noise(self, dtype: torch.dtype, generator: torch.Generator) -> torch.Tensor:
        """Noise alone."""
        latent: torch.Tensor = self._pipe.prepare_latents(
            1,
            self._pipe.unet.config.in_channels,
            *self._size,
            dtype,
            self._device,
            generator,
        )
        return latent

    def picture(
        self,
        start: Start,
        scheduler: Any,
        index: int,
        dtype: torch.dtype,
        generator: torch.Generator,
    ) -> torch.Tensor:
        """A start picture under the noise of entry `index` of scheduler.timesteps, as the family's
        image-to-image pipeline does it. Raises PromptError where the family has none."""
        if self._image_to_image is None:
            self._image_to_image = open_image_to_image(self._pipe)
        stock = self._image_to_image
        stock.scheduler = scheduler
        latent: torch.Tensor = stock.prepare_latents(
            stock.image_processor.preprocess(Image.fromarray(start.pixels)),
            scheduler.timesteps[index : index + 1],
            1,
            1,
            dtype,
            self._device,
            generator,
        )
        return latent
