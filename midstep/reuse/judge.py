"""Judge a picture by forced choice: which render is it closest to?

A picture is compared with renders of every object at every size and position, a pixel off in each
direction too. Scenes vary, so each background has the mean and variance of its pixels, and
closeness is the Gaussian log-likelihood under them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from midstep.reuse.render import GLYPHS, Picture, Spec, backdrop, place
from midstep.reuse.scenes import PAINTERS, SIZE
from midstep.workload.catalogue import Catalogue, Edge, Ending

__all__ = ["Verdict", "can_judge", "choose", "judge"]

Array = NDArray[np.float32]
SHIFTS = ((0, 0), (-1, 0), (1, 0), (0, -1), (0, 1))
TOLERANCE = 15.0**2
"""Variance, in squared grey levels, allowed to a right pixel."""

BORDER = 10
"""Width in pixels of the frame that tells the background."""

SAMPLES = 64
"""Backdrops drawn to learn how a scene varies."""


@dataclass(frozen=True)
class Verdict:
    """Object, background and ending that one picture shows."""

    thing: int
    background: int
    ending: Ending
    """Size and position of the asked object's best match."""


def can_judge(catalogue: Catalogue) -> bool:
    """Whether every picture that the catalogue asks for can be rendered, so as to be compared."""
    glyphs = all((GLYPHS / f"{thing.glyph}.webp").is_file() for thing in catalogue.things)
    return glyphs and all(b.rgb is not None or b.name in PAINTERS for b in catalogue.backgrounds)


@cache
def backdrops(catalogue: Catalogue) -> tuple[Array, Array]:
    """Mean and variance of each background's pixels: two ``(B, SIZE, SIZE, 3)``."""
    rng = np.random.default_rng(11)
    means = []
    variances = []
    for index, background in enumerate(catalogue.backgrounds):
        count = 1 if background.rgb else SAMPLES
        drawn = np.stack([np.asarray(backdrop(catalogue, index, rng)) for _ in range(count)])
        means.append(drawn.mean(0))
        variances.append(drawn.var(0))
    return np.asarray(means, np.float32), np.asarray(variances, np.float32)


@dataclass(frozen=True)
class Layer:
    """All objects alone at one size and position: the part of the picture that any of them covers,
    colours ``(T, h, w, 3)`` and alpha ``(T, h, w, 1)`` there."""

    rows: slice
    columns: slice
    colour: Array
    alpha: Array


@cache
def layers(catalogue: Catalogue, shift: tuple[int, int]) -> tuple[Layer, ...]:
    """A layer an ending of the catalogue, in its order."""
    return tuple(_layer(catalogue, ending, shift) for ending in catalogue.endings)


def _layer(catalogue: Catalogue, ending: Ending, shift: tuple[int, int]) -> Layer:
    drawn = np.stack(
        [
            np.asarray(place(catalogue, Spec(Edge(thing, 0), ending), shift))
            for thing in range(len(catalogue.things))
        ]
    )
    covered = drawn[..., 3].max(0)
    rows = _extent(covered.max(1))
    columns = _extent(covered.max(0))
    part = drawn[:, rows, columns].astype(np.float32)
    return Layer(rows, columns, part[..., :3], part[..., 3:] / np.float32(255))


def _extent(covered: NDArray[np.uint8]) -> slice:
    """From the first place that is covered to the last."""
    places = np.flatnonzero(covered)
    return slice(int(places[0]), int(places[-1]) + 1) if len(places) else slice(0, 0)


def costs(catalogue: Catalogue, pictures: Picture, background: int) -> Array:
    """Distance of each picture from each render on ``background``: ``(N, T, E)``. A render is the
    background alone where no object of its ending is."""
    means, variances = backdrops(catalogue)
    pixels = pictures.astype(np.float32)
    spread = TOLERANCE + variances[background]
    bare = (pixels - means[background]) ** 2 / spread + np.log(spread)
    whole = bare.sum((1, 2, 3), dtype=np.float64)
    best = np.full((len(pictures), len(catalogue.things), len(catalogue.endings)), np.inf)
    for shift in SHIFTS:
        for number, layer in enumerate(layers(catalogue, shift)):
            part = layer.rows, layer.columns
            elsewhere = whole - bare[:, *part].sum((1, 2, 3), dtype=np.float64)
            through = 1 - layer.alpha
            mean = layer.alpha * layer.colour + through * means[background][part]
            weight = 1 / (TOLERANCE + through**2 * variances[background][part])
            count = len(mean)
            mean = mean.reshape(count, -1)
            weight = weight.reshape(count, -1)
            weighted = weight * mean
            constant = (weighted * mean - np.log(weight)).sum(1)
            # The square is expanded so that one pair of matrix products compares all with all.
            flat = pixels[:, *part].reshape(len(pixels), -1)
            cost = flat**2 @ weight.T - 2 * flat @ weighted.T + constant + elsewhere[:, None]
            best[..., number] = np.minimum(best[..., number], cost)
    return best.astype(np.float32)


def nearest_background(catalogue: Catalogue, picture: Picture, spec: Spec) -> int:
    """The background whose frame is closest, leaving out where the asked object should be."""
    means, variances = backdrops(catalogue)
    frame = np.ones((SIZE, SIZE), bool)
    frame[BORDER:-BORDER, BORDER:-BORDER] = False
    for shift in SHIFTS:
        layer = layers(catalogue, shift)[catalogue.endings.index(spec.ending)]
        frame[layer.rows, layer.columns] &= layer.alpha[spec.edge.thing, ..., 0] == 0
    spread = variances[:, frame] + TOLERANCE
    error = (picture[frame].astype(np.float32) - means[:, frame]) ** 2 / spread + np.log(spread)
    return int(error.sum((1, 2)).argmin())


def judge(catalogue: Catalogue, pictures: Picture, specs: list[Spec]) -> list[Verdict]:
    """A verdict on each picture that was asked for by the specification beside it."""
    verdicts: dict[int, Verdict] = {}
    for background in {spec.edge.background for spec in specs}:
        rows = [i for i, spec in enumerate(specs) if spec.edge.background == background]
        cost = costs(catalogue, pictures[rows], background)
        for row, table in zip(rows, cost, strict=True):
            spec = specs[row]
            verdicts[row] = Verdict(
                thing=int(table.min(1).argmin()),
                background=nearest_background(catalogue, pictures[row], spec),
                ending=catalogue.endings[int(table[spec.edge.thing].argmin())],
            )
    return [verdicts[i] for i in range(len(specs))]


def choose(catalogue: Catalogue, picture: Picture, specs: Sequence[Spec]) -> int:
    """Forced choice between a few specifications: which of them the picture is closest to."""
    return int(np.argmin([cost_of(catalogue, picture, spec) for spec in specs]))


def cost_of(catalogue: Catalogue, picture: Picture, spec: Spec) -> float:
    """Distance of a picture from the render of a specification: one entry of `costs`."""
    means, variances = backdrops(catalogue)
    behind = means[spec.edge.background]
    varies = variances[spec.edge.background]
    pixels = picture.astype(np.float32)
    spread = TOLERANCE + varies
    bare = (pixels - behind) ** 2 / spread + np.log(spread)
    whole = bare.sum(dtype=np.float64)
    number = catalogue.endings.index(spec.ending)
    best = np.inf
    for shift in SHIFTS:
        layer = layers(catalogue, shift)[number]
        part = layer.rows, layer.columns
        alpha = layer.alpha[spec.edge.thing]
        through = 1 - alpha
        mean = alpha * layer.colour[spec.edge.thing] + through * behind[part]
        variance = TOLERANCE + through**2 * varies[part]
        covered = (pixels[part] - mean) ** 2 / variance + np.log(variance)
        cost = whole - bare[part].sum(dtype=np.float64) + covered.sum(dtype=np.float64)
        best = min(best, float(cost))
    return best
