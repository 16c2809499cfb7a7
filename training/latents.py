"""Encode renders once into a pool, from which the UNet's trainer draws."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import AutoencoderTiny
from torch import Tensor
from transformers import CLIPTokenizer

from midstep.reuse.render import Spec
from midstep.workload.catalogue import Catalogue
from training import text
from training.data import pictures, to_tensor
from training.schedule import load, save

CHUNK = 256


@dataclass(frozen=True)
class Pool:
    """``latents (N, C, h, w)`` in half precision and the ``tokens (N, L)`` of their prompts."""

    latents: Tensor
    tokens: Tensor
    empty: Tensor
    """The tokens ``(L,)`` of the empty prompt."""

    def draw(self, count: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """``count`` random samples: float32 latents and their tokens."""
        chosen = torch.randint(len(self.latents), (count,), generator=rng)
        return self.latents[chosen].float(), self.tokens[chosen]


@torch.no_grad()
def encode(vae: AutoencoderTiny, images: Tensor) -> Tensor:
    """Scaled latents, as the UNet sees them, of images ``(N, 3, H, W)`` in -1..1."""
    latents: Tensor = vae.encoder(images) * vae.config.scaling_factor
    return latents


def make_pool(
    catalogue: Catalogue,
    specs: list[Spec],
    vae: AutoencoderTiny,
    tokenizer: CLIPTokenizer,
    seed: int,
    cache: Path | None = None,
) -> Pool:
    """Render and encode ``specs``; kept in ``cache`` as it takes minutes."""
    saved = load(cache) if cache else None
    if saved is None or len(saved["latents"]) != len(specs):
        parts = [
            encode(vae, to_tensor(pictures(catalogue, specs[i : i + CHUNK], seed + i))).half()
            for i in range(0, len(specs), CHUNK)
        ]
        saved = {"latents": torch.cat(parts)}
        if cache:
            save(cache, **saved)
    prompts = [catalogue.prompt(spec.edge, spec.ending) for spec in specs]
    numbers = {prompt: i for i, prompt in enumerate(dict.fromkeys(prompts))}
    table = text.tokens(tokenizer, list(numbers))
    tokens = table[torch.tensor([numbers[prompt] for prompt in prompts])]
    return Pool(saved["latents"], tokens, text.tokens(tokenizer, [""])[0])
