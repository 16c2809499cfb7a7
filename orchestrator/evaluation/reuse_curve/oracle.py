"""The oracle offline: pictures are drawn until each of some requests has the best output that the
cache holds for it."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable

import numpy as np

from edge_node.similar import Oracle
from edge_node.similar.base import SimilarRule, Wanted
from midstep.reuse.index import Neighbours
from midstep.reuse.likeness import IntArray
from midstep.workload.user_request import UserRequest
from orchestrator.evaluation.reuse_curve.pair_journal import PairJournal, Place

__all__ = ["NEAREST", "Seeking", "seek"]

NEAREST = 4  # prompts that are tried at each step


class Seeking(SimilarRule):
    """The rule `oracle` for the requests numbered in `chosen`, among the NEAREST prompts of each
    step; for all others `base`. Pictures that nobody has drawn yet are `wishes`, and are taken to
    be good until they are."""

    name = "oracle"

    def __init__(self, base: SimilarRule, journal: PairJournal, chosen: Collection[int]) -> None:
        super().__init__(base.steps)
        self.wishes: list[Place] = []
        self._base = base
        self._journal = journal
        self._chosen = chosen
        self._prompt: str | None = None  # of the request, where it is one of the chosen
        self._oracle = Oracle(base.steps, judge=self._quality)

    def begin(self, number: int, request: UserRequest) -> None:
        """The request that is served next."""
        self._prompt = request.prompt if number in self._chosen else None

    def limits(self, wanted: Wanted, neighbours: Neighbours) -> IntArray:
        if self._prompt is None:
            return self._base.limits(wanted, neighbours)
        rows = _nearest_rows(neighbours, wanted.prompt_key)
        limits = np.zeros(len(neighbours.step), np.int32)
        names = [neighbours.names[row] for row in rows]
        of_rows = (neighbours.similarity[rows], neighbours.kind[rows], neighbours.step[rows])
        limits[rows] = self._oracle.limits(wanted, Neighbours(names, *of_rows))
        return limits

    def _quality(self, wanted: Wanted, key: str, step: int) -> float:
        """The true quality of a pair; inf, and a wish, where it was not drawn. What is not right
        without reuse either is no fault of reuse."""
        assert self._prompt is not None
        place = Place(key, self._prompt, step)
        drawn = self._journal.drawn
        if place not in drawn or place._replace(step=0) not in drawn:
            self.wishes.append(place)
            return math.inf
        metric = wanted.quality.metric
        without = drawn[place._replace(step=0)].values
        if metric == "fidelity" and not without.get("fidelity", 1.0):
            return math.inf
        return drawn[place].values[metric]


def seek(
    play: Callable[[], None],
    rule: Seeking,
    measure: Callable[[Iterable[Place]], bool],
) -> bool:
    """Play and draw in turn until the rule knows all that it asks for; False where `measure` had no
    time left."""
    while True:
        rule.wishes.clear()
        play()
        if not rule.wishes:
            return True
        if not measure(rule.wishes):
            return False


def _nearest_rows(neighbours: Neighbours, own: str) -> list[int]:
    """The nearest other prompts at each step, NEAREST of them."""
    rows: list[int] = []
    others = np.array([key != own for key, _ in neighbours.names], bool)
    for step in np.unique(neighbours.step):
        at = np.flatnonzero((neighbours.step == step) & others)
        order = np.lexsort((at, -neighbours.similarity[at]))
        rows += at[order[:NEAREST]].tolist()
    return rows
