"""The network call of SD 1.x and SDXL: the noise in latents that are each at their own timestep,
with classifier-free guidance where the pipeline has it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from midstep.diffusion.conditioning import Conditioning
from midstep.diffusion.pipelines import is_xl

__all__ = ["NoisePredictor"]


class NoisePredictor:
    """Calls the network of `pipe` once for a whole batch. `guided`: with the negative side, from
    which it is turned away `guidance` times; else the guidance is embedded, where the network takes
    it so."""

    def __init__(self, pipe: Any, guidance: float, *, guided: bool) -> None:
        self._pipe = pipe
        self._guidance = guidance
        self._guided = guided
        self._xl = is_xl(pipe)
        self._timestep_cond = None
        timestep_cond = pipe.unet.config.time_cond_proj_dim
        if timestep_cond is not None:
            scale = torch.tensor(guidance - 1).repeat(1)
            self._timestep_cond = pipe.get_guidance_scale_embedding(
                scale, embedding_dim=timestep_cond
            ).to(device=pipe.unet.device, dtype=pipe.unet.dtype)

    def predict(
        self, scaled: torch.Tensor, t: torch.Tensor, conditionings: Sequence[Conditioning]
    ) -> torch.Tensor:
        """The noise in `scaled`, the solvers' model inputs [requests, channels, h, w], at the
        timesteps `t` [requests]; same shape as `scaled`."""
        embeds = _sides([c.embeds for c in conditionings])
        added = None
        if self._xl:
            added = {
                "text_embeds": _sides([c.pooled for c in conditionings if c.pooled is not None]),
                "time_ids": _sides([c.time_ids for c in conditionings if c.time_ids is not None]),
            }
        noise: torch.Tensor = self._pipe.unet(
            torch.cat([scaled] * 2) if self._guided else scaled,
            torch.cat([t] * 2) if self._guided else t,
            encoder_hidden_states=embeds,
            timestep_cond=None
            if self._timestep_cond is None
            else self._timestep_cond.repeat(len(conditionings), 1),
            added_cond_kwargs=added,
            return_dict=False,
        )[0]
        if self._guided:
            negative, positive = noise.chunk(2)
            noise = negative + self._guidance * (positive - negative)
        return noise


def _sides(pairs: Sequence[torch.Tensor]) -> torch.Tensor:
    """[negative, positive] of each request -> all negatives, then all positives, as the pipelines
    order them."""
    stacked = torch.stack(list(pairs), dim=1)  # [sides, requests, ...]
    return stacked.flatten(0, 1)
