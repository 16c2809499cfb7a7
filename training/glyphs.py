"""Fetch the artwork once and keep the chosen glyphs, shrunk: ``python -m training.glyphs``.

The shrunk glyphs are part of the repository, so this only runs again when the objects change.
"""

from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path

from PIL import Image

from training.paths import CACHE, GLYPHS, catalogue

PACKAGE = "@lobehub/fluent-emoji-3d@1.1.0"
SIDE = 112
"""Longer side of a stored glyph in pixels; more than twice the largest it is ever drawn."""


def fetch() -> Path:
    """Download the package through npm (if it is not in the cache yet) and return the archive."""
    CACHE.mkdir(exist_ok=True)
    if not list(CACHE.glob("lobehub-*.tgz")):
        subprocess.run(["npm", "pack", PACKAGE], cwd=CACHE, check=True)
    return next(CACHE.glob("lobehub-*.tgz"))


def shrink(picture: Image.Image) -> Image.Image:
    """Crop the transparent border away and fit the glyph into a ``SIDE`` square."""
    picture = picture.convert("RGBA")
    box = picture.getchannel("A").point(lambda alpha: 255 * (alpha > 8)).getbbox()
    picture = picture.crop(box)
    scale = SIDE / max(picture.size)
    side = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture.resize(side, Image.Resampling.LANCZOS)


def main() -> None:
    """Write one WebP per object of the catalogue to the model's folder."""
    GLYPHS.mkdir(exist_ok=True)
    with tarfile.open(fetch()) as archive:
        for thing in catalogue().things:
            member = archive.extractfile(f"package/assets/{thing.glyph}.webp")
            assert member is not None, thing
            glyph = shrink(Image.open(io.BytesIO(member.read())))
            glyph.save(GLYPHS / f"{thing.glyph}.webp", quality=88, method=6)


if __name__ == "__main__":
    main()
