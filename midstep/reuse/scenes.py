"""Draw the scenes: six procedural 64 x 64 backdrops that never look quite the same twice.

Everything is drawn at twice the size and halved, which is all the anti-aliasing it needs.
Coordinates in this file are therefore in half pixels, 0..128.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw

__all__ = ["PAINTERS", "SIZE", "scene"]

SIZE = 64
"""Side of a picture, in pixels."""

Rng = np.random.Generator
FULL = 2 * SIZE
Paint = Callable[[ImageDraw.ImageDraw, Rng], None]


def scene(name: str, rng: Rng) -> Image.Image:
    """An RGB picture, ``SIZE`` x ``SIZE``, of the named scene."""
    image = Image.new("RGB", (FULL, FULL))
    PAINTERS[name](ImageDraw.Draw(image), rng)
    return image.reduce(2)


def _band(
    draw: ImageDraw.ImageDraw,
    top: int,
    bottom: int,
    start: tuple[int, int, int],
    end: tuple[int, int, int],
) -> None:
    """A vertical gradient over the rows ``top`` to ``bottom``."""
    for y in range(top, bottom):
        mix = (y - top) / max(1, bottom - top - 1)
        red, green, blue = (round(a + (b - a) * mix) for a, b in zip(start, end, strict=True))
        draw.line((0, y, FULL, y), fill=(red, green, blue))


def _ridge(rng: Rng, base: float, height: float) -> list[tuple[float, float]]:
    """The outline of rolling ground: a polygon down to the lower edge."""
    phase = rng.uniform(0, 6.28)
    waves = rng.uniform(0.8, 1.6)
    x = np.linspace(0, FULL, 17)
    y = base + height * np.sin(phase + x / FULL * 6.28 * waves)
    return [(0.0, FULL), *zip(x.tolist(), y.tolist(), strict=True), (FULL, FULL)]


def _beach(draw: ImageDraw.ImageDraw, rng: Rng) -> None:
    horizon = int(rng.integers(36, 46))
    _band(draw, 0, horizon, (120, 205, 250), (200, 238, 252))
    _band(draw, horizon, FULL, (20, 120, 190), (60, 195, 205))
    shore = _ridge(rng, horizon + 34, 4)
    draw.polygon([(x, y - 5) for x, y in shore], fill=(235, 250, 250))
    draw.polygon(shore, fill=(240, 212, 150))


def _meadow(draw: ImageDraw.ImageDraw, rng: Rng) -> None:
    _band(draw, 0, FULL, (135, 195, 245), (215, 238, 250))
    draw.polygon(_ridge(rng, 50, 6), fill=(115, 190, 95))
    draw.polygon(_ridge(rng, 70, 6), fill=(80, 165, 65))
    for _ in range(9):
        x = rng.uniform(4, 124)
        y = rng.uniform(82, 124)
        colour = [(250, 250, 250), (250, 215, 70), (240, 120, 150)][int(rng.integers(3))]
        draw.ellipse((x - 3, y - 3, x + 3, y + 3), fill=colour)


def _snow(draw: ImageDraw.ImageDraw, rng: Rng) -> None:
    _band(draw, 0, FULL, (165, 185, 215), (215, 226, 240))
    base = rng.uniform(64, 72)
    for x in rng.uniform(0, 22, 5) + np.arange(5) * 26.0:
        height = rng.uniform(24, 38)
        draw.polygon(
            [(x - 10, base + 10), (x, base - height), (x + 10, base + 10)], fill=(45, 95, 90)
        )
    draw.polygon(_ridge(rng, base, 4), fill=(246, 249, 253))
    for x, y in rng.uniform(3, 125, (12, 2)) * (1.0, 0.5):
        draw.ellipse((x - 2, y - 2, x + 2, y + 2), fill=(255, 255, 255))


def _street(draw: ImageDraw.ImageDraw, rng: Rng) -> None:
    _band(draw, 0, 90, (225, 205, 190), (245, 225, 205))
    x = -float(rng.uniform(0, 16))
    walls = [(165, 95, 85), (120, 130, 150), (185, 145, 110), (140, 115, 130)]
    turn = int(rng.integers(4))
    while x < FULL:
        width = 30.0
        top = float(rng.uniform(8, 36))
        draw.rectangle((x, top, x + width - 2, 92), fill=walls[turn % 4])
        for row in range(int(top) + 8, 80, 18):
            for left in (x + 5, x + 16):
                draw.rectangle((left, row, left + 6, row + 8), fill=(250, 230, 150))
        x = x + width
        turn = turn + 1
    draw.rectangle((0, 86, FULL, 94), fill=(190, 188, 184))
    draw.rectangle((0, 94, FULL, FULL), fill=(75, 77, 84))
    for left in range(int(rng.integers(-30, 0)), FULL, 34):
        draw.rectangle((left, 109, left + 18, 113), fill=(240, 236, 220))


def _room(draw: ImageDraw.ImageDraw, rng: Rng) -> None:
    floor = int(rng.integers(88, 98))
    _band(draw, 0, floor, (246, 228, 196), (236, 212, 176))
    _band(draw, floor, FULL, (150, 95, 55), (175, 115, 68))
    draw.rectangle((0, floor - 5, FULL, floor), fill=(252, 246, 236))
    x = float(rng.uniform(8, 16)) if rng.random() < 0.5 else float(rng.uniform(78, 86))
    draw.rectangle((x, 10, x + 36, 52), fill=(252, 250, 246))
    draw.rectangle((x + 4, 14, x + 32, 48), fill=(150, 205, 240))
    draw.rectangle((x + 16, 14, x + 19, 48), fill=(252, 250, 246))


def _night(draw: ImageDraw.ImageDraw, rng: Rng) -> None:
    _band(draw, 0, FULL, (10, 14, 48), (52, 48, 112))
    for x, y in rng.uniform(4, 124, (16, 2)):
        draw.ellipse((x - 1.5, y - 1.5, x + 1.5, y + 1.5), fill=(255, 250, 220))
    x = float(rng.choice([22, 106])) + float(rng.uniform(-4, 4))
    draw.ellipse((x - 13, 9, x + 13, 35), fill=(252, 240, 190))
    draw.polygon(_ridge(rng, 114, 4), fill=(14, 18, 34))


PAINTERS: dict[str, Paint] = {
    "beach": _beach,
    "meadow": _meadow,
    "snow": _snow,
    "street": _street,
    "room": _room,
    "night": _night,
}
