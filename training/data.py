"""Choose the training pictures: every kind of prompt, and no held-out pair."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from midstep.reuse.render import Picture, Spec, render
from midstep.workload.catalogue import Catalogue, Edge


def held_out(catalogue: Catalogue, split: int = 0) -> frozenset[Edge]:
    """The pairs that are never trained on: those of the catalogue, or as many others, each object's
    `split` backgrounds further."""
    count = len(catalogue.backgrounds)
    return frozenset(
        Edge(edge.thing, (edge.background + split) % count) for edge in catalogue.held_out
    )


def training_specs(catalogue: Catalogue, split: int = 0) -> list[Spec]:
    """Every object, background, size and position, without the held-out pairs."""
    never = held_out(catalogue, split)
    return [
        Spec(edge, ending)
        for edge in catalogue.edges
        if edge not in never
        for ending in catalogue.endings
    ]


def held_out_specs(catalogue: Catalogue, split: int = 0) -> list[Spec]:
    """The held-out pairs, most popular first."""
    never = held_out(catalogue, split)
    return [Spec(edge) for edge in catalogue.edges if edge in never]


def sample_specs(
    catalogue: Catalogue,
    count: int,
    rng: np.random.Generator,
    split: int = 0,
    plain: float = 0.2,
) -> list[Spec]:
    """Draw ``count`` training specifications; a share ``plain`` is made of core prompts.

    The core prompt runs the first steps of every served picture, so it deserves more than one
    fifteenth of the training.
    """
    specs = training_specs(catalogue, split)
    chosen = [specs[i] for i in rng.integers(0, len(specs), count)]
    bare = rng.random(count) < plain
    return [Spec(s.edge) if b else s for s, b in zip(chosen, bare, strict=True)]


def pictures(catalogue: Catalogue, specs: list[Spec], seed: int) -> Picture:
    """Render specifications with consecutive seeds: uint8 ``(N, SIZE, SIZE, 3)``."""
    return np.stack([render(catalogue, spec, seed + i) for i, spec in enumerate(specs)])


def to_tensor(images: Picture) -> Tensor:
    """uint8 ``(N, H, W, 3)`` to float32 ``(N, 3, H, W)`` in -1..1, the range of the pipeline."""
    return torch.from_numpy(images.copy()).permute(0, 3, 1, 2).float().div_(127.5).sub_(1.0)


def to_pictures(tensor: Tensor) -> Picture:
    """The inverse of :func:`to_tensor`, clipped to 0..255."""
    scaled = tensor.float().add(1.0).mul(127.5).round().clamp(0, 255)
    images: Picture = scaled.permute(0, 2, 3, 1).to(torch.uint8).cpu().numpy()
    return images
