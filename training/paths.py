"""Paths of the recipe's files, and the catalogue that every stage reads."""

from __future__ import annotations

from pathlib import Path

from midstep.reuse.render import GLYPHS
from midstep.reuse.scenes import SIZE
from midstep.workload.catalogue import Catalogue, load_catalogue

__all__ = ["CACHE", "GLYPHS", "HERE", "MODEL", "SIZE", "catalogue"]

HERE = Path(__file__).parent
CACHE = HERE / ".cache"
"""Downloads and checkpoints; git-ignored."""

MODEL = GLYPHS.parent


def catalogue() -> Catalogue:
    """The catalogue of the shipped model."""
    return load_catalogue(MODEL)
