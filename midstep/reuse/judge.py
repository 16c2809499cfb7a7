"""Judge a picture by forced choice: which render is it closest to?

A picture is compared with renders of every object at every size and position, a pixel off in each
direction too. Scenes vary, so each background has the mean and variance of its pixels, and
closeness is the Gaussian log-likelihood under them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from midstep.reuse.render import GLYPHS, Picture, Spec, backdrop, place
from midstep.reuse.scenes import PAINTERS, SIZE
from midstep.workload.catalogue import Catalogue, Edge, Ending

__all__ = ["Verdict", "can_judge", "judge"]

Array = NDArray[np.float32]
SHIFTS = ((0, 0), (-1, 0), (1, 0), (0, -1), (0, 1))
TOLERANCE = 15.0**2
"""Variance, in squared grey levels, allowed to a right pixel."""

BORDER = 10
"""Width in pixels of the frame that tells the background."""

BLOCK = 10
"""Renders whose weights are computed together: half a megabyte each array, which a cache holds."""

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


@cache
def layers(catalogue: Catalogue, shift: tuple[int, int]) -> tuple[Array, Array]:
    """All objects alone: colours ``(T * E, SIZE, SIZE, 3)`` and alpha ``(T * E, SIZE, SIZE, 1)``.

    Rows run over the objects, and within each over the endings.
    """
    drawn = np.stack(
        [
            np.asarray(place(catalogue, Spec(Edge(thing, 0), ending), shift), np.float32)
            for thing in range(len(catalogue.things))
            for ending in catalogue.endings
        ]
    )
    return drawn[..., :3], drawn[..., 3:] / np.float32(255)


def costs(catalogue: Catalogue, pictures: Picture, background: int) -> Array:
    """Distance of each picture from each render on ``background``: ``(N, T, E)``."""
    means, variances = backdrops(catalogue)
    flat = pictures.reshape(len(pictures), -1).astype(np.float32)
    renders = len(catalogue.things) * len(catalogue.endings)
    best = np.full((len(pictures), renders), np.inf)
    weight = np.empty((renders, flat.shape[1]), np.float32)
    weighted = np.empty_like(weight)
    constant = np.empty(renders, np.float32)
    for shift in SHIFTS:
        colour, alpha = layers(catalogue, shift)
        for first in range(0, renders, BLOCK):
            rows = slice(first, first + BLOCK)
            through = 1 - alpha[rows]
            count = len(through)
            mean = (alpha[rows] * colour[rows] + through * means[background]).reshape(count, -1)
            spread = TOLERANCE + (through**2 * variances[background]).reshape(count, -1)
            weight[rows] = 1 / spread
            weighted[rows] = weight[rows] * mean
            constant[rows] = (weight[rows] * mean**2 + np.log(spread)).sum(1)
        # The square is expanded so that one pair of matrix products compares all with all.
        cost = flat**2 @ weight.T - 2 * flat @ weighted.T + constant
        best = np.minimum(best, cost)
    return best.reshape(len(pictures), len(catalogue.things), -1).astype(np.float32)


def nearest_background(catalogue: Catalogue, picture: Picture, spec: Spec) -> int:
    """The background whose frame is closest, leaving out where the asked object should be."""
    means, variances = backdrops(catalogue)
    row = spec.edge.thing * len(catalogue.endings) + catalogue.endings.index(spec.ending)
    frame = np.ones((SIZE, SIZE), bool)
    frame[BORDER:-BORDER, BORDER:-BORDER] = False
    frame &= np.all([layers(catalogue, shift)[1][row, ..., 0] == 0 for shift in SHIFTS], axis=0)
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
