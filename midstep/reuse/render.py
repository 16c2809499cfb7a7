"""Render what a prompt says: an object on a background, 64 x 64 RGB.

The same specification and seed always give the same picture. The seed only moves what the prompt
leaves open: a pixel of placement, a few per cent of size, and the details of a scene.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from midstep.diffusion.pipelines import MODELS
from midstep.reuse.scenes import SIZE, scene
from midstep.workload.catalogue import UNSAID, Catalogue, Edge, Ending

__all__ = ["GLYPHS", "Picture", "Spec", "backdrop", "glyph", "place", "render"]

GLYPHS = MODELS / "midstep-emoji" / "glyphs"
"""Artwork of the objects, by code point."""

MARGIN = 1
"""Pixels between an object and the edge that it is asked to be at."""

Picture = NDArray[np.uint8]


@dataclass(frozen=True)
class Spec:
    """Specification of a picture; ``ending`` 0, 0 is a normal size in the centre."""

    edge: Edge
    ending: Ending = UNSAID


@cache
def glyph(code: str) -> Image.Image:
    """The stored artwork (RGBA) for a code point such as ``1f43c``."""
    return Image.open(GLYPHS / f"{code}.webp").convert("RGBA")


def backdrop(catalogue: Catalogue, index: int, rng: np.random.Generator) -> Image.Image:
    """A background without an object, RGB."""
    background = catalogue.backgrounds[index]
    if background.rgb is None:
        return scene(background.name, rng)
    return Image.new("RGB", (SIZE, SIZE), background.rgb)


def place(
    catalogue: Catalogue, spec: Spec, shift: tuple[int, int] = (0, 0), scale: float = 1.0
) -> Image.Image:
    """The object alone (RGBA, ``SIZE`` x ``SIZE``), moved by ``shift`` pixels."""
    size = catalogue.sizes[spec.ending.size].pixels * scale
    position = catalogue.positions[spec.ending.position]
    art = glyph(catalogue.things[spec.edge.thing].glyph)
    ratio = size / max(art.size)
    side = (max(1, round(art.width * ratio)), max(1, round(art.height * ratio)))
    # The box is square, so a tall object at the left keeps the same centre as a wide one.
    free = SIZE - 2 * MARGIN - size
    left = MARGIN + free * position.x + (size - side[0]) / 2 + shift[0]
    top = MARGIN + free * position.y + (size - side[1]) / 2 + shift[1]
    layer = Image.new("RGBA", (SIZE, SIZE))
    small = art.resize(side, Image.Resampling.LANCZOS, reducing_gap=2.0)
    layer.paste(small, (round(left), round(top)))
    return layer


def render(catalogue: Catalogue, spec: Spec, seed: int) -> Picture:
    """A picture as uint8 ``(SIZE, SIZE, 3)``."""
    rng = np.random.default_rng(seed)
    image = backdrop(catalogue, spec.edge.background, rng)
    shift = (int(rng.integers(-1, 2)), int(rng.integers(-1, 2)))
    layer = place(catalogue, spec, shift, float(rng.uniform(0.95, 1.05)))
    image.paste(layer, (0, 0), layer)
    return np.asarray(image)
