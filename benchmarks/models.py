"""Write full-size pipelines with random weights, to measure speed.

`python -m benchmarks.models bk-sdm-tiny FOLDER`. A random network takes the time of a trained one.
Shapes are those of the published models.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from midstep.diffusion.pipelines import MODELS

TINY_BLOCKS = {
    "down_block_types": ("CrossAttnDownBlock2D",) * 3,
    "up_block_types": ("CrossAttnUpBlock2D",) * 3,
}
UNETS: dict[str, dict[str, Any]] = {
    "sd-1.5": {"block_out_channels": (320, 640, 1280, 1280), "layers_per_block": 2},
    "bk-sdm-small": {
        "block_out_channels": (320, 640, 1280, 1280),
        "layers_per_block": 1,
        "mid_block_type": None,
    },
    "bk-sdm-tiny": {
        "block_out_channels": (320, 640, 1280),
        "layers_per_block": 1,
        "mid_block_type": None,
        **TINY_BLOCKS,
    },
}


def write(name: str, folder: Path) -> None:
    """Save a pipeline of an architecture, 512 x 512 pixels, with the default model's tokenizer."""
    from diffusers import (
        AutoencoderKL,
        DDIMScheduler,
        StableDiffusionPipeline,
        UNet2DConditionModel,
    )
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    tokenizer = CLIPTokenizer.from_pretrained(MODELS / "midstep-emoji" / "tokenizer")
    text = CLIPTextConfig(
        vocab_size=49408,
        hidden_size=768,
        intermediate_size=3072,
        num_hidden_layers=12,
        num_attention_heads=12,
        max_position_embeddings=77,
        projection_dim=768,
        eos_token_id=tokenizer.eos_token_id,
    )
    unet = UNet2DConditionModel(
        sample_size=64,
        in_channels=4,
        out_channels=4,
        cross_attention_dim=768,
        attention_head_dim=8,
        **UNETS[name],
    )
    channels = (128, 256, 512, 512)
    vae = AutoencoderKL(
        block_out_channels=channels,
        down_block_types=("DownEncoderBlock2D",) * 4,
        layers_per_block=2,
        up_block_types=("UpDecoderBlock2D",) * 4,
        latent_channels=4,
        sample_size=512,
    )
    StableDiffusionPipeline(
        vae=vae,
        text_encoder=CLIPTextModel(text),
        tokenizer=tokenizer,
        unet=unet,
        scheduler=DDIMScheduler(
            beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False
        ),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    ).to(dtype=_half()).save_pretrained(folder)
    parameters = sum(p.numel() for p in unet.parameters())
    print(
        f"wrote {name} to {folder}: a UNet of {parameters / 1e6:.2f} M parameters, random weights"
    )


def _half() -> Any:
    import torch

    return torch.float16


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in UNETS:
        sys.exit(f"usage: python -m benchmarks.models {{{','.join(UNETS)}}} FOLDER")
    write(sys.argv[1], Path(sys.argv[2]))
