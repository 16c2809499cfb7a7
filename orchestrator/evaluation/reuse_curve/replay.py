"""Replays a stream against a cache: which output serves each request, by one rule. No picture is
made."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

from edge_node.similar.base import SimilarRule, Wanted
from midstep.reuse.embedding import Embedder, Vector
from midstep.reuse.index import LIKE, LikenessIndex, Neighbours
from midstep.reuse.likeness import LIKENESS, Grammar, Parts
from midstep.wire.messages import Quality
from midstep.workload.user_request import UserRequest
from orchestrator.evaluation.reuse_curve.keepers import Keeper
from orchestrator.evaluation.reuse_curve.matrix import Likenesses, Limits, Marks
from orchestrator.evaluation.reuse_curve.shelf import Layout, Names, Shelf
from orchestrator.evaluation.reuse_curve.stream import Stream

__all__ = ["ByMatrix", "ByRule", "Chooser", "Served", "World", "replay", "usable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """How a request was served: from `step` of the output of `donor`, its core prompt; step 0: from
    noise. `likeness` and `similarity` where the donor is another prompt."""

    donor: str
    step: int
    likeness: str = ""
    similarity: float = 1.0


class World:
    """What all replays of a stream share: embeddings and parts of its prompts, each found once."""

    def __init__(self, stream: Stream, embedder: Embedder) -> None:
        self.stream = stream
        self._grammar = Grammar(stream.catalogue)
        self._dimensions = embedder.dimensions
        cores = dict.fromkeys(request.edge_prompt for request in stream.requests)
        self._about = {core: (embedder.embed(core), self._grammar.parts(core)) for core in cores}

    @cached_property
    def likenesses(self) -> Likenesses:
        """Between any two of its prompts."""
        return Likenesses(self._about)

    def index(self) -> LikenessIndex:
        """An empty index of its prompts' outputs."""
        return LikenessIndex(self._dimensions)

    def shelf(self, capacity: int, layout: Layout, keeper: Keeper, index: Names) -> Shelf:
        """An empty cache, whose outputs `index` knows."""
        return Shelf(capacity, layout, keeper, index, self.about)

    def about(self, core: str) -> tuple[Vector, Parts]:
        """Vector and parts of a core prompt of the stream."""
        return self._about[core]


class Chooser(Protocol):
    """Chooses the output of another prompt that serves a request."""

    def choose(self, core: str, limit: int, own: Served) -> Served:
        """The best one for a prompt, within the request's own limit; `own`, what its own output
        does for it, where none is further."""


class ByRule:
    """Asks a rule about what an index holds, as an edge does. Any rule."""

    def __init__(
        self, world: World, rule: SimilarRule, quality: Quality, index: LikenessIndex
    ) -> None:
        self._world = world
        self._rule = rule
        self._quality = quality
        self._index = index

    def choose(self, core: str, limit: int, own: Served) -> Served:
        vector, parts = self._world.about(core)
        near = self._index.neighbours(vector, parts)
        wanted = Wanted(
            prompt=core, prompt_key=core, parts=parts, limit=limit, quality=self._quality
        )
        return _similar(self._rule, wanted, near, own)


class ByMatrix:
    """Looks up what a rule allows between any two prompts, ten times as fast. For rules that look
    at nothing but the two prompts; `steps`: those that may be held."""

    def __init__(self, limits: Limits, marks: Marks, steps: Iterable[int]) -> None:
        self._limits = limits
        self._marks = marks
        self._steps = sorted({*steps}, reverse=True)

    def choose(self, core: str, limit: int, own: Served) -> Served:
        best = self._marks.furthest(self._limits, core, self._steps, (own.step, limit))
        if best is None:
            return own
        (donor, step), likeness, similarity = best
        return Served(donor=donor, step=step, likeness=likeness, similarity=similarity)


def replay(
    stream: Stream,
    shelf: Shelf,
    limit_of: Callable[[UserRequest], int],
    chooser: Chooser | None,
    begin: Callable[[int, UserRequest], None] | None = None,
) -> list[Served]:
    """Serve the stream's requests in order; how each was served. `limit_of` gives a request's own
    reuse limit; `chooser` None: only a prompt's own outputs serve it; `begin` is told of each
    request before it is served."""
    rows = []
    for number, request in enumerate(stream.requests):
        if begin is not None:
            begin(number, request)
        core = request.edge_prompt
        limit = limit_of(request)
        served = Served(donor=core, step=shelf.exact(core, limit))
        further = served.step < min(limit, shelf.furthest)
        if chooser is not None and further and not shelf.wants(core):
            served = chooser.choose(core, limit, served)
        if served.donor == core:  # an original, from noise or from a step of its own
            shelf.keep(core, limit)
        if served.step or served.donor == core:
            shelf.use(served.donor)
        shelf.request(core)
        rows.append(served)
    return rows


def usable(rule: SimilarRule, wanted: Wanted, neighbours: Neighbours, above: int) -> list[int]:
    """Rows of the neighbours that may serve past step `above`: another prompt's, and of the nearest
    prompt alone where the rule looks no further."""
    names = neighbours.names
    limits = np.minimum(rule.limits(wanted, neighbours), wanted.limit)
    fit = (neighbours.step <= limits) & (neighbours.step > above)
    rows = [row for row in np.flatnonzero(fit).tolist() if names[row][0] != wanted.prompt_key]
    if rows and rule.nearest_only:
        nearest = _nearest(neighbours, wanted.prompt_key)
        rows = [row for row in rows if names[row][0] == nearest]
    return rows


def _nearest(neighbours: Neighbours, own: str) -> str:
    """The nearest other prompt's key; of equals the smallest."""
    names = neighbours.names
    others = [row for row, name in enumerate(names) if name[0] != own]
    least = neighbours.similarity[others].max() - LIKE
    return min(names[row][0] for row in others if neighbours.similarity[row] >= least)


def _similar(rule: SimilarRule, wanted: Wanted, near: Neighbours, own: Served) -> Served:
    """The usable neighbour with the furthest step; of equals the likest, then the first by name.
    The prompt's own output where there is none."""
    if not len(near.step):
        return own
    rows = usable(rule, wanted, near, own.step)
    if not rows:
        return own
    furthest = near.step[rows].max()
    rows = [row for row in rows if near.step[row] == furthest]
    least = near.similarity[rows].max() - LIKE
    nearest = [row for row in rows if near.similarity[row] >= least]
    best = min(nearest, key=near.names.__getitem__)
    return Served(
        donor=near.names[best][0],
        step=int(near.step[best]),
        likeness=LIKENESS[near.kind[best]],
        similarity=float(near.similarity[best]),
    )
