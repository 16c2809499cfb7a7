"""A user's own variation of a shared intermediate output."""

from __future__ import annotations

import torch

from midstep.diffusion.denoise import Variation

__all__ = ["vary"]


def vary(latent: torch.Tensor, variation: Variation, generator: torch.Generator) -> torch.Tensor:
    """The latent turned towards fresh noise, its variance kept; same shape. See Variation."""
    noise = torch.randn(latent.shape, generator=generator, dtype=torch.float32).to(latent.dtype)
    share = variation.strength
    turned: torch.Tensor = (1 - share * share) ** 0.5 * latent + share * latent.std() * noise
    return turned
