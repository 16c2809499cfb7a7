"""Replays a stream against a cache: which output serves each request, by one rule. No picture is
made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from edge_node.similar.base import SimilarRule, Wanted
from midstep.reuse.embedding import Embedder
from midstep.reuse.index import LikenessIndex, Neighbours
from midstep.reuse.likeness import LIKENESS, Grammar, Parts
from midstep.wire.messages import Quality
from midstep.workload.user_request import UserRequest
from orchestrator.evaluation.reuse_curve.keepers import Keeper
from orchestrator.evaluation.reuse_curve.shelf import Layout, Shelf
from orchestrator.evaluation.reuse_curve.stream import Stream

__all__ = ["Served", "Setting", "World", "replay", "usable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """How a request was served: from `step` of the output of `donor`, its core prompt; step 0: from
    noise. `likeness` and `similarity` where the donor is another prompt."""

    donor: str
    step: int
    likeness: str = ""
    similarity: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One point of a curve as a replay sees it. `rule` None: only a prompt's own outputs serve it;
    `limit` gives a request's own reuse limit, `begin` is told of each before it is served."""

    rule: SimilarRule | None
    quality: Quality
    limit: Callable[[UserRequest], int]
    begin: Callable[[int, UserRequest], None] = lambda number, request: None


class World:
    """What all replays of a stream share: embeddings and parts of its prompts, each found once."""

    def __init__(self, stream: Stream, embedder: Embedder) -> None:
        self.stream = stream
        self._grammar = Grammar(stream.catalogue)
        self._dimensions = embedder.dimensions
        cores = dict.fromkeys(request.edge_prompt for request in stream.requests)
        self._about = {core: (embedder.embed(core), self._grammar.parts(core)) for core in cores}

    def shelf(self, capacity: int, layout: Layout, keeper: Keeper) -> Shelf:
        """An empty cache."""
        index = LikenessIndex(self._dimensions)
        return Shelf(capacity, layout, keeper, index, self._about.__getitem__)

    def parts(self, core: str) -> Parts:
        """Parts of a core prompt of the stream."""
        return self._about[core][1]


def replay(world: World, setting: Setting, shelf: Shelf, count: int | None = None) -> list[Served]:
    """Serve the stream's requests in order, the first `count` of them; how each was served."""
    rows = []
    for number, request in enumerate(world.stream.requests[:count]):
        setting.begin(number, request)
        core = request.edge_prompt
        limit = setting.limit(request)
        served = Served(donor=core, step=shelf.exact(core, limit))
        further = served.step < min(limit, shelf.furthest)
        if setting.rule is not None and further and not shelf.wants(core):
            wanted = Wanted(
                prompt=core,
                prompt_key=core,
                parts=world.parts(core),
                limit=limit,
                quality=setting.quality,
            )
            served = _similar(setting.rule, wanted, shelf.neighbours(core), served)
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
    rows = range(len(neighbours.names))
    others = [row for row in rows if neighbours.names[row][0] != own]
    names = neighbours.names
    best = min(others, key=lambda row: (-neighbours.similarity[row], names[row][0]))
    return names[best][0]


def _similar(rule: SimilarRule, wanted: Wanted, near: Neighbours, own: Served) -> Served:
    """The usable neighbour with the furthest step; of equals the likest, then the first by name.
    The prompt's own output where there is none."""
    if not len(near.names):
        return own
    rows = usable(rule, wanted, near, own.step)
    if not rows:
        return own
    best = min(rows, key=lambda row: (-near.step[row], -near.similarity[row], near.names[row][0]))
    return Served(
        donor=near.names[best][0],
        step=int(near.step[best]),
        likeness=LIKENESS[near.kind[best]],
        similarity=float(near.similarity[best]),
    )
