"""From a latent of SD 1.x or SDXL to its picture, as their stock pipelines decode it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from midstep.diffusion.denoise import Picture
from midstep.diffusion.pipelines import is_xl

__all__ = ["decode_latent"]


def decode_latent(pipe: Any, latent: torch.Tensor) -> Picture:
    """The picture of a latent [1, channels, h, w]; uint8 [height, width, 3]."""
    vae = pipe.vae
    xl = is_xl(pipe)
    upcast = xl and vae.dtype == torch.float16 and getattr(vae.config, "force_upcast", False)
    if upcast:
        vae.to(torch.float32)
        latent = latent.float()
    mean = getattr(vae.config, "latents_mean", None)
    std = getattr(vae.config, "latents_std", None)
    if xl and mean is not None and std is not None:
        shift, scale = (
            torch.tensor(x).view(1, -1, 1, 1).to(latent.device, latent.dtype) for x in (mean, std)
        )
        latent = latent * scale / vae.config.scaling_factor + shift
    else:
        latent = latent / vae.config.scaling_factor
    try:
        image = vae.decode(latent, return_dict=False)[0]
    finally:
        if upcast:
            vae.to(torch.float16)
    picture: Picture = np.asarray(pipe.image_processor.postprocess(image, output_type="pil")[0])
    return picture
