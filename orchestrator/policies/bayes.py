"""What counting alone could reach: a Bayes filter that is told the popularity law and how fast
ranks change."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from orchestrator.decision.problem import Problem
from orchestrator.policies.base import policy
from orchestrator.policies.kinds.score_planner import Floats, Ids, ScorePlanner

__all__ = ["Bayes", "rank_bins"]

BINS = 96  # of ranks, evenly spaced in their logarithm


@policy("bayes")
class Bayes(ScorePlanner):
    """For every item of the catalogue a belief over rank bins, shape (items, bins).

    Between slots an item leaves its rank with the hazard, for one drawn uniformly; within a slot
    its requests are Poisson with its rank's rate. The score is the expected rate in the next slot.
    Where the law itself moves (`topics`) it is told the law of the first slot, and is no ceiling.
    """

    modes: ClassVar[frozenset[str]] = frozenset({"proactive"})
    needs: ClassVar[frozenset[str]] = frozenset({"truth"})

    def reset(self, problem: Problem, seed: int) -> None:
        super().reset(problem, seed)
        self._belief: np.ndarray | None = None

    def observe(self, ids: Ids, counts: Ids, slot: int) -> None:
        from orchestrator.decision import belief

        truth = self.problem.truth
        assert truth is not None  # `needs` says so
        if self._belief is None:
            self._rate, self._prior = rank_bins(truth.ranks(), BINS)
            self._belief = np.tile(self._prior.astype(np.float32), (len(truth.ranks()), 1))
        requests = np.zeros(len(self._belief), np.int64)
        requests[ids] = counts
        belief.advance_all(self._belief, self._rate, self._prior, truth.hazard, requests)

    def scores(self, ids: Ids, slot: int) -> Floats:
        assert self._belief is not None and self.problem.truth is not None
        hazard = self.problem.truth.hazard
        now = self._belief[ids] @ self._rate.astype(np.float32)
        return np.asarray((1 - hazard) * now + hazard * (self._prior @ self._rate), np.float64)


def rank_bins(law: Floats, bins: int) -> tuple[Floats, Floats]:
    """The law's ranks (items,) in bins: mean rate of each, and its share of the catalogue; both (at
    most bins,)."""
    edges = np.unique(np.rint(np.geomspace(1, len(law) + 1, bins + 1)).astype(np.int64)) - 1
    width = np.diff(edges)
    return np.add.reduceat(law, edges[:-1]) / width, width / len(law)
