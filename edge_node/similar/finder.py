"""The finder: the other prompt's output from which a request saves most."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edge_node.cache.base import Entry
from edge_node.similar.base import SimilarRule, Wanted
from midstep.reuse.embedding import Embedder, Vector
from midstep.reuse.index import LIKE, Neighbours
from midstep.reuse.likeness import LIKENESS, Grammar, IntArray, Parts
from midstep.wire.messages import Quality

__all__ = ["Cap", "Donor", "Finder", "Shelf"]

# likeness, the quality that is wanted, a limit by the rule -> the limit that holds; 0: none
Cap = Callable[[str, Quality, int], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Donor:
    """Another prompt's held output that may serve at `step`; `kind` is a text of LIKENESS. `entry`
    None: it is in a tier that takes time (`await store.fetch(prompt_key, step)`)."""

    prompt_key: str
    step: int
    similarity: float
    kind: str
    entry: Entry | None


class Shelf(Protocol):
    """What a finder needs of a store: see edge_node.cache.indexed.IndexedStore."""

    @property
    def shared_key(self) -> Callable[[str], str]:
        """The key that everybody shares for a prompt's output."""

    def nearest(
        self, vector: NDArray[np.floating], parts: Parts, steps: Sequence[int] | None = None
    ) -> Neighbours:
        """The outputs at `steps` beside a prompt of this vector and these parts."""

    def groups(self, above: int, last: int) -> Iterator[list[int]]:
        """Steps beyond `above` up to `last` at which something is held, furthest first."""

    def nearest_prompt(self, vector: NDArray[np.floating], parts: Parts, own: str) -> Neighbours:
        """The outputs of the nearest prompt whose key is not `own`."""

    def entry(self, prompt_key: str, step: int) -> Entry | None:
        """The output of just that step, None: it takes time."""


class Finder:
    """Finds donors in an edge's store, by its rule. `cap` lowers a rule's limits by likeness."""

    def __init__(
        self,
        store: Shelf,
        rule: SimilarRule,
        embedder: Embedder,
        grammar: Grammar,
        cap: Cap | None = None,
    ) -> None:
        self.store = store
        self.rule = rule
        self.embedder = embedder
        self.grammar = grammar
        self.cap = cap

    def vector(self, prompt: str) -> Vector:
        """The prompt's embedding; call it where the denoiser computes."""
        return self.embedder.embed(prompt)

    def wanted(self, prompt: str, prompt_key: str, limit: int, quality: Quality) -> Wanted:
        """A request for the output of an edge prompt, as rules see it."""
        parts = self.grammar.parts(prompt)
        return Wanted(
            prompt=prompt, prompt_key=prompt_key, parts=parts, limit=limit, quality=quality
        )

    def find(self, wanted: Wanted, vector: NDArray[np.floating], above: int = 0) -> Donor | None:
        """The usable output with the furthest step beyond `above`, of those the nearest, then the
        one of the smallest key. Usable is another prompt's, held at a step within the rule's limit
        and the request's own. None also for an output that is not shared by everybody."""
        if self.store.shared_key(wanted.prompt) != wanted.prompt_key:
            return None
        if self.rule.nearest_only:
            neighbours = self.store.nearest_prompt(vector, wanted.parts, wanted.prompt_key)
            return self._furthest(neighbours, above, wanted)
        for steps in self.store.groups(above, self.rule.last(wanted)):
            neighbours = self.store.nearest(vector, wanted.parts, steps)
            donor = self._furthest(neighbours, above, wanted)
            if donor is not None:
                return donor
        return None

    def _furthest(self, neighbours: Neighbours, above: int, wanted: Wanted) -> Donor | None:
        """The best usable output among `neighbours`."""
        limits = self._limits(wanted, neighbours)
        usable = np.flatnonzero((neighbours.step > above) & (neighbours.step <= limits))
        names = neighbours.names
        while len(usable):
            step = neighbours.step[usable]
            furthest = usable[step == step.max()]
            similarity = neighbours.similarity[furthest]
            best = furthest[similarity >= similarity.max() - LIKE]
            row = min(best.tolist(), key=names.__getitem__)
            key, held = names[row]
            if key != wanted.prompt_key:
                return Donor(
                    prompt_key=key,
                    step=held,
                    similarity=float(neighbours.similarity[row]),
                    kind=LIKENESS[neighbours.kind[row]],
                    entry=self.store.entry(key, held),
                )
            usable = usable[usable != row]
        return None

    def _limits(self, wanted: Wanted, neighbours: Neighbours) -> IntArray:
        """The last step at which each may serve, by the rule, the request and the cap."""
        limits = np.minimum(self.rule.limits(wanted, neighbours), np.int32(wanted.limit))
        if self.cap is None:
            return limits
        caps = [self.cap(kind, wanted.quality, wanted.limit) for kind in LIKENESS]
        return np.minimum(limits, np.array(caps, np.int32)[neighbours.kind])
