"""Measure the model on the held-out pairs: ``python -m training.evaluate [FOLDER]``.

Prints the figures and writes them to ``quality.json`` in the model's folder.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import StableDiffusionPipeline
from PIL import Image

from midstep.reuse.judge import judge
from midstep.reuse.quality import ssim
from midstep.reuse.render import Picture, Spec
from midstep.workload.catalogue import Catalogue, load_catalogue
from training.data import held_out_specs, pictures, to_pictures, to_tensor
from training.paths import MODEL, SIZE

STEPS = 20
GUIDANCE = 3.0
HAND_OVER = 6
"""Steps done under the core prompt before the user's own prompt takes over."""

BATCH = 25
CELL = 4
"""Side in pixels of what one latent covers: where seams would show."""


def load(folder: Path) -> StableDiffusionPipeline:
    """The pipeline in single precision, silent."""
    pipe = StableDiffusionPipeline.from_pretrained(folder, dtype=torch.float32)
    pipe.set_progress_bar_config(disable=True)
    ready: StableDiffusionPipeline = pipe
    return ready


def generate(
    pipe: StableDiffusionPipeline,
    prompts: list[str],
    then: list[str] | None = None,
    at: int = HAND_OVER,
    seed: int = 0,
) -> Picture:
    """Pictures ``(N, SIZE, SIZE, 3)``; from step ``at`` on the prompts in ``then`` apply.

    Picture number i starts from noise ``seed + i``, whatever the batch.
    """
    parts = []
    for start in range(0, len(prompts), BATCH):
        chunk = slice(start, start + BATCH)
        count = len(prompts[chunk])
        noise = [torch.Generator().manual_seed(seed + start + i) for i in range(count)]
        extra: dict[str, Any] = {}
        if then is not None:
            extra = {
                "callback_on_step_end": switch(pipe, then[chunk], at),
                "callback_on_step_end_tensor_inputs": ["prompt_embeds"],
            }
        images = pipe(
            prompts[chunk],
            num_inference_steps=STEPS,
            guidance_scale=GUIDANCE,
            height=SIZE,
            width=SIZE,
            generator=noise,
            output_type="np",
            **extra,
        ).images
        parts.append(np.asarray(images * 255).round().astype(np.uint8))
    return np.concatenate(parts)


def switch(pipe: StableDiffusionPipeline, prompts: list[str], at: int) -> Any:
    """A callback that replaces the prompt once ``at`` steps are done."""
    positive, negative = pipe.encode_prompt(prompts, torch.device("cpu"), 1, True)

    def callback(_: Any, step: int, __: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        return {"prompt_embeds": torch.cat([negative, positive])} if step + 1 == at else tensors

    return callback


def score(words: Catalogue, images: Picture, specs: list[Spec]) -> dict[str, float]:
    """Shares of pictures with the right object, background and placement."""
    pairs = list(zip(judge(words, images, specs), specs, strict=True))
    size = [words.endings.index(v.ending) // len(words.positions) for v, _ in pairs]
    return {
        "object": _share([v.thing == s.edge.thing for v, s in pairs]),
        "background": _share([v.background == s.edge.background for v, s in pairs]),
        "size": _share([a == s.ending.size for a, (_, s) in zip(size, pairs, strict=True)]),
        "position": _share([v.ending.position == s.ending.position for v, s in pairs]),
        "all": _share(
            [
                (v.thing, v.background, v.ending) == (s.edge.thing, s.edge.background, s.ending)
                for v, s in pairs
            ]
        ),
    }


def round_trip(pipe: StableDiffusionPipeline, images: Picture) -> dict[str, float]:
    """Loss of the autoencoder alone: mean and worst PSNR in dB, mean and 5th percentile of SSIM."""
    with torch.no_grad():
        output = to_pictures(pipe.vae.decode(pipe.vae.encode(to_tensor(images)).latents).sample)
    error = ((output.astype(float) - images) ** 2).mean((1, 2, 3))
    quality = 10 * np.log10(255**2 / error)
    likeness = [ssim(picture, other) for picture, other in zip(images, output, strict=True)]
    return {
        "mean_db": round(float(quality.mean()), 2),
        "worst_db": round(float(quality.min()), 2),
        "mean_ssim": round(float(np.mean(likeness)), 4),
        "p05_ssim": round(float(np.quantile(likeness, 0.05)), 4),
    }


def seams(images: Picture) -> float:
    """Mean step between neighbours across latent cells over that within them; 1 = no seams."""
    grey = images.astype(float).mean(-1)
    ratios = []
    for steps in (
        np.abs(np.diff(grey, axis=2)).mean((0, 1)),
        np.abs(np.diff(grey, axis=1)).mean((0, 2)),
    ):
        across = np.arange(len(steps)) % CELL == CELL - 1
        ratios.append(steps[across].mean() / steps[~across].mean())
    return round(float(np.mean(ratios)), 3)


def sheet(images: Picture, columns: int = 20) -> Image.Image:
    """A contact sheet, row by row."""
    rows = [
        np.concatenate(images[i : i + columns], 1)
        for i in range(0, len(images) // columns * columns, columns)
    ]
    return Image.fromarray(np.concatenate(rows))


def run(
    folder: Path, output: Path, count: int = 200, sheets: Path | None = None, split: int = 0
) -> dict[str, Any]:
    """Measure everything on the first ``count`` held-out pairs and write it to ``output``."""
    words = load_catalogue(folder)
    pipe = load(folder)
    core = held_out_specs(words, split)[:count]
    # Endings 1..14 in turn: every user asks for something that the core prompt leaves unsaid.
    own = [Spec(s.edge, words.endings[1 + i % 14]) for i, s in enumerate(core)]
    core_prompts = [words.prompt(s.edge) for s in core]
    own_prompts = [words.prompt(s.edge, s.ending) for s in own]
    began = time.time()
    drawn = {
        "core": generate(pipe, core_prompts),
        "own": generate(pipe, own_prompts),
        "hand_over": generate(pipe, core_prompts, own_prompts),
    }
    seconds = (time.time() - began) / (3 * count)
    renders = pictures(words, own, 77)
    figures: dict[str, Any] = {
        "pairs": count,
        "core_prompt": score(words, drawn["core"], core),
        "users_prompt": score(words, drawn["own"], own),
        f"core_{HAND_OVER}_steps_then_users": score(words, drawn["hand_over"], own),
        "autoencoder": round_trip(pipe, renders),
        "seam_ratio": {"generated": seams(drawn["own"]), "renders": seams(renders)},
        "cpu_seconds_per_picture": round(seconds, 3),
    }
    for name, images in drawn.items():
        if sheets:
            sheet(images).save(sheets / f"{name}.png")
    output.write_text(json.dumps(figures, indent=1) + "\n")
    print(json.dumps(figures, indent=1))
    return figures


def _share(right: list[bool]) -> float:
    return round(float(np.mean(right)), 4)


def main() -> None:
    """Measure a folder from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=MODEL)
    parser.add_argument("--output", type=Path, help="instead of quality.json in the folder")
    parser.add_argument("--count", type=int, default=200, help="held-out pairs to draw")
    parser.add_argument("--sheets", type=Path, help="folder for contact sheets")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    run(args.folder, args.output or args.folder / "quality.json", args.count, args.sheets)


if __name__ == "__main__":
    main()
