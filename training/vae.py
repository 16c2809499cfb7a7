"""Train the autoencoder: 64 x 64 pictures to small latents and back."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderTiny
from torch import Tensor

from midstep.workload.catalogue import Catalogue
from training.data import held_out_specs, pictures, sample_specs, to_tensor
from training.muon import Muon, split
from training.recipe import SHIPPED, Recipe
from training.schedule import Average, load, rate, save, set_rate

BATCH = 8
NOISE = 0.05
"""Deviation of the noise put on latents in training, so that the decoder forgives the UNet."""


def build(
    channels: int = 8,
    width: int = 32,
    encoder: tuple[int, ...] = (0, 1, 2),
    decoder: tuple[int, ...] = (3, 2, 0),
) -> AutoencoderTiny:
    """A stock ``AutoencoderTiny``; each entry after the first of ``encoder`` halves the side."""
    return AutoencoderTiny(
        encoder_block_out_channels=(width,) * len(encoder),
        decoder_block_out_channels=(width,) * len(decoder),
        num_encoder_blocks=encoder,
        num_decoder_blocks=decoder,
        latent_channels=channels,
        act_fn="relu",
        upsample_fn="nearest",
    )


def edges(images: Tensor) -> tuple[Tensor, Tensor]:
    """Differences between neighbouring columns and rows of ``(N, C, H, W)``."""
    return images.diff(dim=3), images.diff(dim=2)


def loss_of(model: AutoencoderTiny, images: Tensor, noise: float) -> Tensor:
    """Pixel and edge errors, and light pressure to keep the latents tidy."""
    latents = model.encoder(images)
    output = model.decoder(latents + noise * torch.randn_like(latents))
    pixel = 10 * F.mse_loss(output, images) + 0.5 * F.l1_loss(output, images)
    edge = sum(F.l1_loss(a, b) for a, b in zip(edges(output), edges(images), strict=True))
    return pixel + 0.25 * edge + 0.1 * untidy(latents)


def untidy(latents: Tensor) -> Tensor:
    """Distance of the channels of ``(N, C, h, w)`` from mean 0 and deviation 1.

    The pipeline only knows one scaling factor, so no channel may be off on its own.
    """
    deviation, mean = torch.std_mean(latents.float(), dim=(0, 2, 3))
    return mean.square().mean() + deviation.clamp(min=1e-3).log().square().mean()


@torch.no_grad()
def psnr(model: AutoencoderTiny, images: Tensor) -> Tensor:
    """Round-trip quality of each picture in dB ``(N,)``, on the 0..1 scale."""
    output = model.decoder(model.encoder(images)).clamp(-1, 1)
    error = ((output - images) / 2).square().flatten(1).mean(1)
    return -10 * torch.log10(error)


def train(
    catalogue: Catalogue,
    checkpoint: Path,
    steps: int = 4500,
    pool: int = 12000,
    model: AutoencoderTiny | None = None,
    lr: float = 0.012,
    recipe: Recipe = SHIPPED,
) -> AutoencoderTiny:
    """Train (or resume) and return the averaged model, on the CPU."""
    torch.manual_seed(recipe.seed)
    rng = np.random.default_rng(recipe.of(1))
    model = (model or build()).train().to(recipe.device)
    average = Average(model, 0.99)
    matrices, rest = split(model)
    optimizers = [Muon(matrices, lr), torch.optim.AdamW(rest, 2e-3, weight_decay=0.0)]
    start = 0
    if (saved := load(checkpoint)) is not None:
        model.load_state_dict(saved["model"])
        average.model.load_state_dict(saved["average"])
        for optimizer, state in zip(optimizers, saved["optimizers"], strict=True):
            optimizer.load_state_dict(state)
        start = saved["step"]
    if start >= steps:
        return average.model.cpu()
    images = pictures(catalogue, sample_specs(catalogue, pool, rng, recipe.split), 10_000)
    exam = held_out_specs(catalogue, recipe.split)[:64]
    test = to_tensor(pictures(catalogue, exam, 5_000)).to(recipe.device)
    began = time.time()
    for step in range(start, steps):
        set_rate(optimizers, rate(step, steps, 60))
        chosen = np.random.default_rng(recipe.of(step)).integers(0, pool, BATCH)
        batch = to_tensor(images[chosen]).to(recipe.device)
        with torch.autocast(recipe.device, torch.bfloat16):
            loss = loss_of(model, batch, NOISE)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        average.update(model, step)
        if (step + 1) % 250 == 0 or step + 1 == steps:
            quality = psnr(average.model, test)
            print(
                f"vae {step + 1}/{steps} loss {loss.item():.4f} psnr {quality.mean():.2f} "
                f"worst {quality.min():.2f} {time.time() - began:.0f} s",
                flush=True,
            )
            save(
                checkpoint,
                model=model.state_dict(),
                average=average.model.state_dict(),
                optimizers=[o.state_dict() for o in optimizers],
                step=step + 1,
            )
    return average.model.cpu()
