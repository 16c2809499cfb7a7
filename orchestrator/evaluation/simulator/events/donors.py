"""Donors by events: which other prompt's held output may serve a request."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from edge_node.cache.base import Entry
from edge_node.similar import Donor, Finder, open_similar
from midstep.diffusion.factory import paced_identity
from midstep.diffusion.paced import PacedDenoiser
from midstep.diffusion.pipelines import catalogue_file
from midstep.diffusion.profile import StepProfile
from midstep.reuse.embedding import open_embedder
from midstep.reuse.index import LikenessIndex, Neighbours
from midstep.reuse.likeness import Grammar, Parts
from midstep.scenario import Scenario
from midstep.wire.identity import OutputKey
from midstep.wire.messages import Quality
from midstep.wire.messages_control import CachedOutput
from midstep.workload.catalogue import load_catalogue

__all__ = ["Donors", "open_donors"]

REMEMBERED = 10_000  # prompts whose vectors are kept


class Donors:
    """An index of what one edge holds, kept in step with it by `admitted` and `dropped`, and the
    scenario's rule, which says of whom in it a request may be served. Cosines are equal to the
    last bit where changes come in the order in which an edge makes them. Raises ScenarioError for
    a rule that there is not, or cannot be."""

    def __init__(self, scenario: Scenario, profile: StepProfile) -> None:
        identity = paced_identity(scenario.model)
        rule = open_similar(scenario, identity)
        assert rule is not None  # `open_donors` has looked
        embedder = open_embedder(scenario, PacedDenoiser(identity, profile))
        rule.check_embedding(embedder.name)
        file = catalogue_file(scenario.model.path)
        self._grammar = Grammar(None if file is None else load_catalogue(file))
        self._vector = lru_cache(REMEMBERED)(embedder.embed)
        self._index = LikenessIndex(embedder.dimensions)
        self._pipeline = identity.digest()
        self._seed = scenario.seed
        self._negative = scenario.workload.negative
        self._finder = Finder(self, rule, embedder, self._grammar)

    def find(self, key: str, prompt: str, limit: int, quality: Quality, above: int) -> Donor | None:
        """The output of another prompt that goes furthest, beyond the step `above`, of those that
        may serve a request for the output of that key and edge prompt; None where there is none."""
        wanted = self._finder.wanted(prompt, key, limit, quality)
        return self._finder.find(wanted, self._vector(prompt), above)

    def admitted(self, output: CachedOutput) -> None:
        """The store has an output, be it anew."""
        key = output.prompt_key
        self._index.remove(key, output.step)
        if self.shared_key(output.prompt) == key:
            vector = self._vector(output.prompt)
            self._index.add(key, output.step, vector, self._grammar.parts(output.prompt))

    def dropped(self, prompt_key: str, step: int) -> None:
        """The store has an output no more."""
        self._index.remove(prompt_key, step)

    # what the finder needs of a store

    def shared_key(self, prompt: str) -> str:
        """The key that everybody shares for a prompt's output."""
        output = OutputKey.of(self._pipeline, prompt, None, self._seed, self._negative)
        return output.digest()

    def nearest(
        self, vector: NDArray[np.floating], parts: Parts, steps: Sequence[int] | None = None
    ) -> Neighbours:
        """See LikenessIndex.neighbours."""
        return self._index.neighbours(vector, parts, steps)

    def groups(self, above: int, last: int) -> Iterator[list[int]]:
        """See LikenessIndex."""
        return self._index.groups(above, last)

    def nearest_prompt(self, vector: NDArray[np.floating], parts: Parts, own: str) -> Neighbours:
        """See LikenessIndex."""
        return self._index.nearest_prompt(vector, parts, own)

    def entry(self, prompt_key: str, step: int) -> Entry | None:
        """None: nothing here has a frame."""
        return None


def open_donors(scenario: Scenario, profile: StepProfile) -> Donors | None:
    """The donors of a scenario's edge, whose step times are `profile`; None where outputs serve
    their own prompts alone. Raises ScenarioError."""
    return None if scenario.reuse.similar is None else Donors(scenario, profile)
