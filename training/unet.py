"""Train the UNet and the text encoder together on latents: v-prediction, text dropped at times."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import DDIMScheduler, UNet2DConditionModel
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import CLIPTextModel, CLIPTokenizer

from training import text
from training.latents import Pool
from training.muon import Muon, split
from training.recipe import SHIPPED, Recipe
from training.schedule import Average, load, save, set_rate

BATCH = 64
DROPPED = 0.1
"""Share of samples trained with an empty prompt, for classifier-free guidance."""

USEFUL = 700
"""Half of the samples stay below this timestep: above it a latent is nearly pure noise."""


def scheduler() -> DDIMScheduler:
    """The noise schedule of training and serving.

    The linear schedule spends its first steps at very high noise, which is what lets a prompt that
    arrives a third of the way in still decide where the object goes.
    """
    return DDIMScheduler(
        beta_start=0.0001,
        beta_end=0.02,
        beta_schedule="linear",
        prediction_type="v_prediction",
        timestep_spacing="leading",
        steps_offset=1,
        clip_sample=False,
        set_alpha_to_one=False,
    )


def build(channels: int = 8, side: int = 16) -> UNet2DConditionModel:
    """A thin first level for detail, and cross-attention where it is cheap: at 8 x 8."""
    return UNet2DConditionModel(
        sample_size=side,
        in_channels=channels,
        out_channels=channels,
        layers_per_block=1,
        block_out_channels=(64, 128, 128),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        mid_block_type="UNetMidBlock2DCrossAttn",
        cross_attention_dim=text.WIDTH,
        attention_head_dim=4,
    )


class Denoiser(nn.Module):  # type: ignore[misc]
    """The two networks that learn together."""

    def __init__(self, unet: UNet2DConditionModel, encoder: CLIPTextModel) -> None:
        super().__init__()
        self.unet = unet
        self.text_encoder = encoder

    def forward(self, noisy: Tensor, steps: Tensor, tokens: Tensor) -> Tensor:
        """Predicted velocity for ``(N, C, h, w)`` at ``steps (N,)`` under ``tokens (N, L)``."""
        # Few prompts of a batch repeat, so there is nothing to gain from sharing their encodings.
        words = self.text_encoder(tokens).last_hidden_state
        velocity: Tensor = self.unet(noisy, steps, words).sample
        return velocity


def trapezoid(step: int, total: int, warmup: int = 100, decay: float = 0.3) -> float:
    """Learning-rate factor: warm up, hold, then fall linearly over the last share ``decay``.

    Unlike a cosine it does not depend on the total until the end, so a run may be prolonged.
    """
    return min(1.0, (step + 1) / warmup, max(0.002, (total - step) / (total * decay)))


@dataclass(frozen=True)
class Batch:
    """Noisy latents, their timesteps, prompts and the velocity to predict."""

    noisy: Tensor
    steps: Tensor
    tokens: Tensor
    target: Tensor

    def to(self, device: str) -> Batch:
        """The batch on a device."""
        return Batch(
            self.noisy.to(device),
            self.steps.to(device),
            self.tokens.to(device),
            self.target.to(device),
        )


def make_batch(pool: Pool, noise: DDIMScheduler, count: int, rng: torch.Generator) -> Batch:
    """Draw ``count`` samples from the pool and put noise on them."""
    latents, tokens = pool.draw(count, rng)
    tokens[torch.rand(count, generator=rng) < DROPPED] = pool.empty
    total = noise.config.num_train_timesteps
    low = torch.rand(count, generator=rng) < 0.5
    spread = torch.rand(count, generator=rng)
    steps = (spread * torch.where(low, USEFUL, total)).long()
    added = torch.randn(latents.shape, generator=rng)
    return Batch(
        noise.add_noise(latents, added, steps),
        steps,
        tokens,
        noise.get_velocity(latents, added, steps),
    )


def loss_of(model: nn.Module, batch: Batch) -> Tensor:
    """Mean squared error of the velocity."""
    # On so few tokens the plain attention is faster on a CPU than the flash kind.
    kind = batch.noisy.device.type
    with torch.autocast(kind, torch.bfloat16), sdpa_kernel(SDPBackend.MATH):
        guess = model(batch.noisy, batch.steps, batch.tokens)
    return (guess.float() - batch.target).square().mean()


def train(
    tokenizer: CLIPTokenizer,
    pool: Pool,
    checkpoint: Path,
    steps: int,
    test: Pool,
    rates: tuple[float, float] = (0.02, 1e-3),
    recipe: Recipe = SHIPPED,
) -> Denoiser:
    """Train (or resume) for ``steps`` batches and return the averaged networks, on the CPU."""
    torch.manual_seed(recipe.seed)
    noise = scheduler()
    model = Denoiser(build(pool.latents.size(1), pool.latents.size(2)), text.build(tokenizer)).to(
        recipe.device
    )
    average = Average(model, 0.9985)
    matrices, rest = split(model)
    optimizers = [Muon(matrices, rates[0]), torch.optim.AdamW(rest, rates[1], weight_decay=0.0)]
    start = 0
    if (saved := load(checkpoint)) is not None:
        model.load_state_dict(saved["model"])
        average.model.load_state_dict(saved["average"])
        for optimizer, state in zip(optimizers, saved["optimizers"], strict=True):
            optimizer.load_state_dict(state)
        start = saved["step"]
    exam = make_batch(test, noise, 256, torch.Generator().manual_seed(7)).to(recipe.device)
    began = time.time()
    for step in range(start, steps):
        set_rate(optimizers, trapezoid(step, steps))
        draws = torch.Generator().manual_seed(recipe.of(step))
        batch = make_batch(pool, noise, BATCH, draws).to(recipe.device)
        loss = loss_of(model, batch)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        average.update(model, step)
        if (step + 1) % 100 == 0 or step + 1 == steps:
            with torch.no_grad():
                mark = loss_of(average.model, exam).item()
            print(
                f"unet {step + 1}/{steps} loss {loss.item():.4f} held-out {mark:.4f} "
                f"{time.time() - began:.0f} s",
                flush=True,
            )
            save(
                checkpoint,
                model=model.state_dict(),
                average=average.model.state_dict(),
                optimizers=[o.state_dict() for o in optimizers],
                step=step + 1,
            )
    finished: Denoiser = average.model.cpu()
    return finished
