"""Make the default model with one command: ``python -m training.train --out FOLDER``.

Stages: tokenizer, vae, unet, export, evaluate. Each resumes from its checkpoint in
``training/.cache``; delete a checkpoint to train that stage afresh.
"""

from __future__ import annotations

import argparse
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderTiny

from midstep.reuse.render import Spec
from midstep.workload.catalogue import Catalogue
from training import evaluate, tokenizer, unet, vae
from training.data import held_out_specs, pictures, sample_specs, to_tensor
from training.export import export, pipeline
from training.latents import make_pool
from training.paths import CACHE, MODEL, catalogue
from training.recipe import SHIPPED, Recipe


@dataclass(frozen=True)
class Plan:
    """Length of the training: batches for each network, and renders to draw them from."""

    name: str
    vae_steps: int
    vae_pool: int
    unet_steps: int
    unet_pool: int


FULL = Plan("full", vae_steps=4500, vae_pool=12_000, unet_steps=4400, unet_pool=40_000)
QUICK = Plan("quick", vae_steps=600, vae_pool=2_000, unet_steps=300, unet_pool=4_000)
SMALL = Plan("small", vae_steps=2500, vae_pool=6_000, unet_steps=3000, unet_pool=20_000)


def scaled(model: AutoencoderTiny, words: Catalogue, recipe: Recipe) -> AutoencoderTiny:
    """Note in the autoencoder's config the factor that gives its latents deviation 1."""
    specs = sample_specs(words, 256, np.random.default_rng(recipe.of(2)), recipe.split)
    images = to_tensor(pictures(words, specs, 3_000))
    with torch.no_grad():
        factor = 1 / float(model.encoder(images).std())
    model.register_to_config(scaling_factor=round(factor, 3))
    return model


def unet_exam(words: Catalogue, split: int = 0) -> list[Spec]:
    """Held-out pairs under every kind of ending, on which the training loss is checked."""
    specs = held_out_specs(words, split)
    return [Spec(spec.edge, words.endings[i % 15]) for i, spec in enumerate(specs)]


def make(plan: Plan, work: Path, out: Path, recipe: Recipe = SHIPPED) -> None:
    """Train everything (or go on with it) in ``work`` and write the pipeline to ``out``."""
    words = catalogue()
    tokens = tokenizer.build(words, work / "tokenizer")
    model = vae.train(words, work / "vae.pt", plan.vae_steps, plan.vae_pool, recipe=recipe)
    codec = scaled(model, words, recipe)
    rng = np.random.default_rng(recipe.of(5))
    specs = sample_specs(words, plan.unet_pool, rng, recipe.split)
    pool = make_pool(words, specs, codec, tokens, recipe.of(1_000_000), work / "pool.pt")
    exam = make_pool(words, unet_exam(words, recipe.split), codec, tokens, 50)
    path = work / "unet.pt"
    networks = unet.train(tokens, pool, path, plan.unet_steps, exam, recipe=recipe)
    export(pipeline(codec, networks, tokens), work / "tokenizer", out)
    if out.resolve() != MODEL.resolve():
        shutil.copy(MODEL / "catalogue.json", out / "catalogue.json")


def main() -> None:
    """Run all stages."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=MODEL)
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="minutes instead of an hour")
    size.add_argument("--small", action="store_true", help="half an hour; a model to compare with")
    parser.add_argument("--seed", type=int, default=0, help="of every draw (default 0)")
    parser.add_argument("--split", type=int, default=0, help="other held-out pairs (0 to 15)")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--steps", type=int, help="UNet batches, instead of the plan's")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--no-evaluate", action="store_true", help="leave out the last stage")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    plan = QUICK if args.quick else SMALL if args.small else FULL
    if args.steps:
        plan = replace(plan, unet_steps=args.steps)
    recipe = Recipe(args.seed, args.split, args.device)
    work = CACHE / (
        f"{plan.name}-{recipe.seed}-{recipe.split}" if args.seed or args.split else plan.name
    )
    make(plan, work, args.out, recipe)
    if not args.no_evaluate:
        evaluate.run(args.out, args.out / "quality.json", split=args.split)


if __name__ == "__main__":
    main()
