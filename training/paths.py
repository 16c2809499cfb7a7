"""Paths of the recipe's files, and the catalogue that every stage reads."""

from __future__ import annotations

from pathlib import Path

from midstep.workload.catalogue import Catalogue, load_catalogue

HERE = Path(__file__).parent
CACHE = HERE / ".cache"
"""Downloads and checkpoints; git-ignored."""

GLYPHS = HERE / "glyphs"
MODEL = HERE.parent / "midstep" / "models" / "midstep-emoji"
SIZE = 64
"""Side of a picture, in pixels."""


def catalogue() -> Catalogue:
    """The catalogue of the shipped model."""
    return load_catalogue(MODEL)
