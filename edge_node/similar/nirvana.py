"""The rule of NIRVANA: a ladder of five thresholds, for the nearest prompt."""

from __future__ import annotations

import numpy as np

from edge_node.similar.base import BySimilarity
from midstep.reuse.likeness import FloatArray, IntArray
from midstep.reuse.table import ReuseTable

__all__ = ["Nirvana"]

OF = 50  # steps, of which it names these
LADDER = ((0.65, 5), (0.75, 10), (0.85, 15), (0.9, 20), (0.95, 25))  # cosine above, step


class Nirvana(BySimilarity):
    """NIRVANA (Agarwal et al., NSDI 2024): of 50 steps the first 5, 10, 15, 20, 25 are left out
    where the cosine of CLIP's text embeddings is above .65, .75, .85, .9, .95; here the same shares
    of S, rounded down. The paper keeps those five steps of each prompt."""

    name = "nirvana"
    nearest_only = True

    def __init__(self, steps: int, table: ReuseTable | None = None) -> None:
        super().__init__(steps, table)
        self._ends = np.array([end for end, _ in LADDER], np.float32)
        self._steps = np.array([0, *(step * steps // OF for _, step in LADDER)], np.int32)

    def by_similarity(self, similarity: FloatArray) -> IntArray:
        return self._steps[np.searchsorted(self._ends, similarity, side="left")]
