"""The ceiling without foresight: it is told every item's true rate, and keeps the best of what it
has seen."""

from __future__ import annotations

from typing import ClassVar

from orchestrator.policies.base import policy
from orchestrator.policies.kinds.score_planner import Floats, Ids, ScorePlanner

__all__ = ["Informed"]


@policy("informed")
class Informed(ScorePlanner):
    """Scores by the rate that the simulated workload has in this slot."""

    modes: ClassVar[frozenset[str]] = frozenset({"proactive"})
    needs: ClassVar[frozenset[str]] = frozenset({"truth"})

    def observe(self, ids: Ids, counts: Ids, slot: int) -> None:
        """It need not look."""

    def scores(self, ids: Ids, slot: int) -> Floats:
        assert self.problem.truth is not None  # `needs` says so
        return self.problem.truth.rates(slot)[ids]
