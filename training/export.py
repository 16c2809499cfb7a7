"""Write the trained parts as a stock diffusers pipeline folder, in half precision."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path

import torch
from diffusers import AutoencoderTiny, StableDiffusionPipeline
from transformers import CLIPTokenizer

from training.unet import Denoiser, scheduler

PARTS = ("scheduler", "text_encoder", "tokenizer", "unet", "vae", "model_index.json")


def pipeline(
    vae: AutoencoderTiny, networks: Denoiser, tokenizer: CLIPTokenizer
) -> StableDiffusionPipeline:
    """The parts as one pipeline, without the checker that has no place in a toy."""
    return StableDiffusionPipeline(
        vae=vae,
        text_encoder=networks.text_encoder,
        tokenizer=tokenizer,
        unet=networks.unet,
        scheduler=scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def rewrite(config: Path, **changes: str | None) -> None:
    """Change values of a JSON file; None takes a key out."""
    values = {**json.loads(config.read_text()), **changes}
    for key, value in changes.items():
        if value is None:
            values.pop(key)
    config.write_text(json.dumps(values, indent=2) + "\n")


def export(pipe: StableDiffusionPipeline, tokenizer_files: Path, folder: Path) -> None:
    """Replace the parts in ``folder``; other files there (card, catalogue) are left alone.

    Everything is written next to ``folder`` first, and single files are then swapped in, so
    that a reader meets whole files only.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".export-") as name:
        fresh = Path(name)
        half = pipe.to(torch.float16)
        half.save_pretrained(fresh, safe_serialization=True)
        # AutoencoderTiny notes a value in its config that it then warns about when it reads it.
        rewrite(fresh / "vae" / "config.json", block_out_channels=None)
        # Without a dtype, transformers loads what its config says and diffusers loads float32: they
        # must agree.
        rewrite(fresh / "text_encoder" / "config.json", dtype="float32")
        # The plain files say the same in every version of the library, so they are what ships.
        shutil.rmtree(fresh / "tokenizer")
        shutil.copytree(tokenizer_files, fresh / "tokenizer")
        for part in PARTS:
            source = fresh / part
            for path in [source] if source.is_file() else sorted(source.iterdir()):
                target = folder / path.relative_to(fresh)
                target.parent.mkdir(parents=True, exist_ok=True)
                path.chmod(0o644)  # safetensors writes files that only their owner can read
                os.replace(path, target)
