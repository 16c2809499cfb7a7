"""The rule `any`: every held output serves, up to one step."""

from __future__ import annotations

import numpy as np

from edge_node.similar.base import SimilarRule, Wanted, check_step
from midstep.reuse.index import Neighbours
from midstep.reuse.likeness import IntArray
from midstep.reuse.table import ReuseTable

__all__ = ["AnyOutput"]


class AnyOutput(SimilarRule):
    """Serves from any prompt's output up to `step`, without looking at likeness: what is gained by
    likeness is gained over this rule. Of outputs at the same step it gets the nearest, too."""

    name = "any"

    def __init__(self, steps: int, table: ReuseTable | None = None, *, step: int = 10) -> None:
        super().__init__(steps, table)
        self.step = check_step(step, steps)

    def limits(self, wanted: Wanted, neighbours: Neighbours) -> IntArray:
        return np.full(len(neighbours.step), min(self.step, wanted.limit), np.int32)

    def last(self, wanted: Wanted) -> int:
        return min(self.step, wanted.limit)
