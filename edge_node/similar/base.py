"""The interface of a rule for like prompts, and what it knows of the request."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from midstep.errors import ScenarioError
from midstep.reuse.index import Neighbours
from midstep.reuse.likeness import FloatArray, IntArray, Parts
from midstep.reuse.table import ReuseTable
from midstep.wire.messages import Quality

__all__ = ["BySimilarity", "SimilarRule", "Wanted", "check_step"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A request as rules see it: its edge prompt, the key of the output that it would get, the
    prompt's parts in the catalogue's grammar, its own reuse limit S*_r, and the quality that its
    user wants."""

    prompt: str
    prompt_key: str
    parts: Parts
    limit: int
    quality: Quality


class SimilarRule(ABC):
    """Says up to which step other prompts' outputs may serve a request. `steps` is S; `table` the
    model's measured one, None where there is none that says something of this run.

    `nearest_only`: the rule was published with a search for the one nearest prompt, and the others
    are not looked at, whatever they hold.
    """

    name: ClassVar[str]
    nearest_only: ClassVar[bool] = False

    def __init__(self, steps: int, table: ReuseTable | None = None) -> None:
        self.steps = steps
        self.table = table

    def check_embedding(self, name: str) -> None:
        """Raise ScenarioError where the table's classes of free text are bins of another embedding
        than `name`'s: its cosines say something else."""
        measured = None if self.table is None else self.table.embedding
        if measured is not None and measured != name:
            raise ScenarioError(
                f"reuse.embedding: the table's pairs of free text were compared by {measured}, "
                f"this run compares by {name}: set it to {measured}, or measure a table by {name}"
            )

    @abstractmethod
    def limits(self, wanted: Wanted, neighbours: Neighbours) -> IntArray:
        """The last step at which each neighbour may serve, (n,), at most the request's own limit;
        0: never."""

    def last(self, wanted: Wanted) -> int:
        """A step beyond which no neighbour may serve this request, whoever it is: what is held
        there is not looked at."""
        return wanted.limit


class BySimilarity(SimilarRule):
    """A rule that looks at the cosine alone."""

    def limits(self, wanted: Wanted, neighbours: Neighbours) -> IntArray:
        return np.minimum(self.by_similarity(neighbours.similarity), np.int32(wanted.limit))

    @abstractmethod
    def by_similarity(self, similarity: FloatArray) -> IntArray:
        """The last step by cosine, (n,)."""


def check_step(step: int, steps: int) -> int:
    """A rule's parameter `step`. Raises ValueError unless it is one of 1 to `steps`."""
    if not 1 <= step <= steps:
        raise ValueError(f"step {step}: steps go from 1 to {steps}")
    return step
