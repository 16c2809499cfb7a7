"""The decisions of a rule as matrices: what it allows between any two prompts of a stream, computed
once, so that a replay looks up and does not ask."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edge_node.similar.base import SimilarRule, Wanted
from midstep.reuse.embedding import Vector
from midstep.reuse.index import LIKE, Name, Neighbours
from midstep.reuse.likeness import LIKENESS, FloatArray, IntArray, Parts, kinds
from midstep.wire.messages import Quality

__all__ = ["Likenesses", "Limits", "Marks"]


class Likenesses:
    """Cosine and likeness between any two of `cores`, (n, n); a prompt's number is its place among
    them by name, so that of equals the first one comes first."""

    def __init__(self, about: dict[str, tuple[Vector, Parts]]) -> None:
        self.cores: Sequence[str] = sorted(about)
        self.number = {core: number for number, core in enumerate(self.cores)}
        vectors = np.stack([about[core][0] for core in self.cores])
        self.parts = [about[core][1] for core in self.cores]
        self.similarity: FloatArray = vectors @ vectors.T
        others = np.array(self.parts, np.int32)
        self.kind: IntArray = np.stack(
            [kinds(own, others, row) for own, row in zip(self.parts, self.similarity, strict=True)]
        )


class Limits:
    """The last step at which each prompt's output may serve each other one by a rule, where users
    want `quality`, (n, n); 0 between a prompt and itself. A request's own limit is not in it."""

    def __init__(self, of: Likenesses, rule: SimilarRule, quality: Quality) -> None:
        self.nearest_only = rule.nearest_only
        names = [(core, 0) for core in of.cores]
        zeros = np.zeros(len(names), np.int32)
        rows = []
        for number, core in enumerate(of.cores):
            wanted = Wanted(
                prompt=core,
                prompt_key=core,
                parts=of.parts[number],
                limit=rule.steps,
                quality=quality,
            )
            near = Neighbours(names, of.similarity[number], of.kind[number], zeros)
            rows.append(rule.limits(wanted, near))
        self.last: IntArray = np.stack(rows)
        np.fill_diagonal(self.last, 0)


class Marks:
    """Which outputs are held, (steps, n): in the place of an index, for the same prompts."""

    def __init__(self, of: Likenesses, steps: int) -> None:
        self._of = of
        self._held = np.zeros((steps, len(of.cores)), bool)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, key: str, step: int, vector: Vector, parts: Parts) -> None:
        """Mark an output."""
        place = step, self._of.number[key]
        self._count += not self._held[place]
        self._held[place] = True

    def remove(self, key: str, step: int) -> bool:
        """Let an output go; False where it is not held."""
        place = step, self._of.number[key]
        held = bool(self._held[place])
        self._count -= held
        self._held[place] = False
        return held

    def furthest(
        self, limits: Limits, core: str, steps: Sequence[int], within: tuple[int, int]
    ) -> tuple[Name, str, float] | None:
        """The output beyond the first and up to the second step of `within` that serves a prompt
        furthest, of equals the nearest, then the first by name; with its likeness and cosine.
        `steps`: those that may be held, descending."""
        number = self._of.number[core]
        above, limit = within
        similarity = self._of.similarity[number]
        last = limits.last[number]
        nearest = self._nearest(number) if limits.nearest_only else None
        for step in steps:
            if step <= above:
                return None
            if step > limit:
                continue
            fit = self._held[step] & (last >= step)
            if nearest is not None:
                fit &= np.arange(len(fit)) == nearest
            if fit.any():
                best = _nearest_of(fit, similarity)
                kind = LIKENESS[self._of.kind[number, best]]
                return (self._of.cores[best], step), kind, float(similarity[best])
        return None

    def _nearest(self, number: int) -> int:
        """The nearest other prompt of which anything is held; -1: there is none."""
        held = np.array(self._held.any(0), bool, ndmin=1)
        held[number] = False
        if not held.any():
            return -1
        return _nearest_of(held, self._of.similarity[number])


def _nearest_of(fit: NDArray[np.bool_], similarity: FloatArray) -> int:
    """The nearest of those that fit, of equals the first."""
    least = similarity[fit].max() - LIKE
    return int((fit & (similarity >= least)).argmax())
