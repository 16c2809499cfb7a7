"""The oracle: knows what each picture would be worth. For comparisons offline."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from edge_node.similar.base import SimilarRule, Wanted
from midstep.reuse.index import Neighbours
from midstep.reuse.likeness import IntArray
from midstep.reuse.table import ReuseTable

__all__ = ["Oracle"]

# the request, a donor's key and step -> quality by the request's metric
Judge = Callable[[Wanted, str, int], float]


class Oracle(SimilarRule):
    """Asks `judge` for the true quality of a pair, furthest steps first and nearest prompts before
    others, until one is good enough or `most` of those that it is shown at a time were not. Only
    that one is given a limit: no other rule saves more from the same store, but for what `most`
    leaves unseen."""

    name = "oracle"

    def __init__(
        self,
        steps: int,
        table: ReuseTable | None = None,
        *,
        judge: Judge,
        most: int | None = None,
    ) -> None:
        super().__init__(steps, table)
        self._judge = judge
        self._most = most

    def limits(self, wanted: Wanted, neighbours: Neighbours) -> IntArray:
        limits = np.zeros(len(neighbours.step), np.int32)
        order = np.lexsort((-neighbours.similarity, -neighbours.step))
        candidates = order[neighbours.step[order] <= wanted.limit]
        for row in candidates[: self._most].tolist():
            key, step = neighbours.names[row]
            if key == wanted.prompt_key:
                continue
            if self._judge(wanted, key, step) >= wanted.quality.floor:
                limits[row] = step
                break
        return limits
