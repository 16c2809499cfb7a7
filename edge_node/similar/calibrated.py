"""The calibrated rule: as far as was measured for pairs that are alike in just this way."""

from __future__ import annotations

import numpy as np

from edge_node.similar.base import SimilarRule, Wanted
from midstep.errors import ScenarioError
from midstep.reuse.index import Neighbours
from midstep.reuse.likeness import FIRST_OF_WORDS, LIKENESS, UNKNOWN, IntArray
from midstep.reuse.limits import class_limit
from midstep.reuse.table import ReuseTable
from midstep.wire.messages import Quality

__all__ = ["Calibrated"]

MOST_QUALITIES = 256  # that are remembered: a device may ask for any


class Calibrated(SimilarRule):
    """The table's limit for the likeness of each pair, at the quality that this user wants, by the
    low end of the interval. A likeness that was not measured, or on too few pairs for the share,
    serves nobody."""

    name = "calibrated"

    def __init__(self, steps: int, table: ReuseTable | None = None) -> None:
        super().__init__(steps, table)
        if table is None or not any(kind in table.kinds for kind in LIKENESS):
            raise ScenarioError(
                "reuse.similar: calibrated needs a table with pairs of like prompts: measure one "
                "by `midstep calibrate --reuse`, or use any, fixed, nirvana or ramp"
            )
        self._of_table = table
        self._by_kind: dict[Quality, IntArray] = {}  # devices have few floors

    def limits(self, wanted: Wanted, neighbours: Neighbours) -> IntArray:
        by_kind = self.by_kind(wanted.quality)
        return np.minimum(by_kind, np.int32(wanted.limit))[neighbours.kind]

    def last(self, wanted: Wanted) -> int:
        by_kind = self.by_kind(wanted.quality)
        if wanted.parts == UNKNOWN:
            by_kind = by_kind[FIRST_OF_WORDS:]
        return min(int(by_kind.max()), wanted.limit)

    def by_kind(self, quality: Quality) -> IntArray:
        """The last step for each of LIKENESS at that quality; 0: none."""
        limits = self._by_kind.get(quality)
        if limits is None:
            of = (quality.metric, quality.floor), quality.share
            measured = [class_limit(self._of_table, kind, *of) or 0 for kind in LIKENESS]
            if len(self._by_kind) >= MOST_QUALITIES:
                self._by_kind.clear()
            limits = self._by_kind[quality] = np.array(measured, np.int32)
        return limits
