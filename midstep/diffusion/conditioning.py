"""The encoded text that guides the network of SD 1.x and SDXL, made by the stock pipelines' own
encoders and kept for the next request with the same words."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import torch

from midstep.diffusion.pipelines import is_xl
from midstep.wire.identity import PipelineIdentity

__all__ = ["Conditioner", "Conditioning"]

CONDITIONING_BYTES = 64 << 20  # of encoded prompts that are kept


@dataclass(frozen=True)
class Conditioning:
    """Encoded text. `embeds` and `pooled` hold [negative, positive] where there is guidance, else
    [positive]."""

    embeds: torch.Tensor
    pooled: torch.Tensor | None
    time_ids: torch.Tensor | None

    @property
    def nbytes(self) -> int:
        """Bytes of its tensors."""
        return sum(
            t.numel() * t.element_size()
            for t in (self.embeds, self.pooled, self.time_ids)
            if t is not None
        )


class Conditioner:
    """Encodes prompts for a StableDiffusionPipeline or a StableDiffusionXLPipeline. `guided`:
    with the negative side, which may be empty."""

    def __init__(self, pipe: Any, identity: PipelineIdentity, *, guided: bool) -> None:
        self._pipe = pipe
        self._device = pipe.unet.device
        self._size = identity.height, identity.width
        self._guided = guided
        self._encode_new = self._encode_xl if is_xl(pipe) else self._encode_sd
        self._cache: OrderedDict[tuple[str, str], Conditioning] = OrderedDict()

    def encode(self, prompt: str, negative: str) -> Conditioning:
        """The conditioning of `prompt`, away from `negative` where that is not empty."""
        words = prompt, negative
        cached = self._cache.get(words)
        if cached is not None:
            self._cache.move_to_end(words)
            return cached
        # for the pipelines, none and an empty one are not the same
        fresh = self._cache[words] = self._encode_new(prompt, negative or None)
        most = max(1, CONDITIONING_BYTES // fresh.nbytes)  # all are of one size
        while len(self._cache) > most:
            self._cache.popitem(last=False)
        return fresh

    def _encode_sd(self, prompt: str, unwanted: str | None) -> Conditioning:
        positive, negative = self._pipe.encode_prompt(
            prompt, self._device, 1, self._guided, unwanted
        )
        return Conditioning(
            torch.cat([negative, positive]) if self._guided else positive, None, None
        )

    def _encode_xl(self, prompt: str, unwanted: str | None) -> Conditioning:
        positive, negative, pooled, negative_pooled = self._pipe.encode_prompt(
            prompt=prompt,
            device=self._device,
            num_images_per_prompt=1,
            do_classifier_free_guidance=self._guided,
            negative_prompt=unwanted,
        )
        second = self._pipe.text_encoder_2
        ids = self._pipe._get_add_time_ids(
            self._size,
            (0, 0),
            self._size,
            dtype=positive.dtype,
            text_encoder_projection_dim=int(pooled.shape[-1])
            if second is None
            else second.config.projection_dim,
        ).to(self._device)
        if not self._guided:
            return Conditioning(positive, pooled, ids)
        return Conditioning(
            torch.cat([negative, positive]),
            torch.cat([negative_pooled, pooled]),
            torch.cat([ids, ids]),
        )
