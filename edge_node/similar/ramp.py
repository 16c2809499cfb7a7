"""The rule of vLLM-Omni's inter-request cache: a linear ramp of the cosine, for the nearest
prompt."""

from __future__ import annotations

import numpy as np

from edge_node.similar.base import BySimilarity, check_step
from midstep.reuse.likeness import FloatArray, IntArray
from midstep.reuse.table import ReuseTable

__all__ = ["Ramp"]

_FUZZ = 1e-5  # of a cosine, or of steps, that are a decimal's and not a float's


class Ramp(BySimilarity):
    """vLLM-Omni's inter-request cache: below `threshold` nothing, from there linearly from `least`
    steps, at most that share, to `share` of S at a cosine of 1, rounded down."""

    name = "ramp"
    nearest_only = True

    def __init__(
        self,
        steps: int,
        table: ReuseTable | None = None,
        *,
        threshold: float = 0.75,
        least: int = 5,
        share: float = 0.5,
    ) -> None:
        super().__init__(steps, table)
        if not -1 <= threshold < 1:
            raise ValueError(f"threshold {threshold:g}: a cosine is below 1, and -1 at least")
        if not 0 < share <= 1:
            raise ValueError(f"share {share:g}: it is a part of all steps, above 0 and at most 1")
        self.threshold = threshold
        self.most = int(share * steps + _FUZZ)
        self.least = min(check_step(least, steps), self.most)

    def by_similarity(self, similarity: FloatArray) -> IntArray:
        part = (similarity.astype(np.float64) - self.threshold) / (1 - self.threshold)
        step = self.least + np.floor(part * (self.most - self.least) + _FUZZ)
        return np.where(part >= -_FUZZ, step, 0).astype(np.int32)
