"""The rule `fixed`: one step above one threshold of similarity."""

from __future__ import annotations

import numpy as np

from edge_node.similar.base import BySimilarity, Wanted, check_step
from midstep.reuse.likeness import FloatArray, IntArray
from midstep.reuse.table import ReuseTable
from midstep.units import excerpt

__all__ = ["FixedThreshold"]


class FixedThreshold(BySimilarity):
    """Serves up to `step` where the cosine is `threshold` or more."""

    name = "fixed"

    def __init__(
        self,
        steps: int,
        table: ReuseTable | None = None,
        *,
        threshold: float = 0.9,
        step: int = 10,
    ) -> None:
        super().__init__(steps, table)
        if not -1 <= threshold <= 1:
            raise ValueError(f"threshold {excerpt(threshold)}: a cosine goes from -1 to 1")
        self.threshold = np.float32(threshold)
        self.step = check_step(step, steps)

    def by_similarity(self, similarity: FloatArray) -> IntArray:
        return np.where(similarity >= self.threshold, np.int32(self.step), np.int32(0))

    def last(self, wanted: Wanted) -> int:
        return min(self.step, wanted.limit)
