"""The loss that the model's table expects of a replay, over all requests: no picture is drawn."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from midstep.reuse.limits import CORE, reuse_class
from midstep.reuse.table import ReuseTable
from midstep.workload.catalogue import Catalogue
from midstep.workload.user_request import UserRequest
from orchestrator.evaluation.reuse_curve.replay import Served

__all__ = ["Expectation"]


class Expectation:
    """Mean losses by class and step from a table, measured on other prompts and other noise. Steps
    that were not drawn lie on a line between their neighbours, and those past the last one count as
    it does."""

    def __init__(self, table: ReuseTable, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._losses = {
            metric: {kind: _losses(table, kind, metric) for kind in table.kinds}
            for metric in ("ssim", "fidelity")
        }

    def loss(
        self, metric: str, requests: Sequence[UserRequest], rows: Iterable[Served]
    ) -> list[float] | None:
        """Expected loss of each request, 1 - SSIM or the probability that a picture that would be
        right is not; None where a class was not measured."""
        losses = self._losses[metric]
        values = []
        for request, row in zip(requests, rows, strict=True):
            kind = row.likeness or self._own_kind(request)
            if not row.step or kind == CORE:
                values.append(0.0)
                continue
            of = losses.get(kind)
            if of is None:
                return None
            values.append(float(of[row.step]))
        return values

    def _own_kind(self, request: UserRequest) -> str:
        return reuse_class(self._catalogue, request.prompt, request.edge_prompt, False)


def _losses(table: ReuseTable, kind: str, metric: str) -> np.ndarray | None:
    """Mean loss of a class after each step 0..S-1; None where it has no such metric."""
    steps = [s for s in range(1, table.steps) if table.cell(kind, metric, s) is not None]
    if not steps:
        return None
    means = [cell.mean for s in steps if (cell := table.cell(kind, metric, s)) is not None]
    at = np.arange(table.steps)
    return np.asarray(np.interp(at, [0, *steps], [0.0, *(1 - mean for mean in means)]))
