"""What makes one model of the recipe differ from another: seed, held-out pairs, and machine."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["SHIPPED", "Recipe"]

APART = 1_000_003  # between the streams of two seeds: more than batches of a training


@dataclass(frozen=True)
class Recipe:
    """`seed` decides every draw; `split`: the held-out pairs are those of each object so many
    backgrounds further (0: the catalogue's own); `device`: cpu or cuda. The shipped model is of the
    defaults."""

    seed: int = 0
    split: int = 0
    device: str = "cpu"

    def of(self, stream: int) -> int:
        """The seed of one of the recipe's streams of draws."""
        return stream + APART * self.seed


SHIPPED = Recipe()
"""That of the shipped model."""
