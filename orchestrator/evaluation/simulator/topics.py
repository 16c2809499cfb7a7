"""Preset `topics`: prompts made of parts whose popularities drift and burst."""

from __future__ import annotations

import math

import numpy as np

from midstep.draws import BULK_FACTOR, BULK_START, generator
from midstep.errors import ScenarioError
from midstep.workload.popularity import ranks_at, swap_count, swap_ranks, zipf_shares
from orchestrator.evaluation.simulator.presets import Preset, Topics
from orchestrator.evaluation.simulator.requests import Drifting, Floats, Ids, KnownStream

__all__ = ["TopicStream", "open_stream"]


class TopicStream(KnownStream):
    """A prompt's popularity is the product of its parts' popularities, times a lognormal factor of
    its own.

    Each class of parts (objects, scenes, layouts, sizes) is Zipf over its own ranks, of which pairs
    change places; a part that bursts is `burst_factor` times as popular while it lasts.
    """

    def __init__(self, preset: Preset, seed: int) -> None:
        super().__init__(preset, seed)
        self._topics = topics = preset.topics or Topics()
        if math.prod(topics.parts) != self.items:
            raise ScenarioError(
                f"{preset.name}: parts {topics.parts} make {math.prod(topics.parts)} items, not "
                f"{self.items}"
            )
        random = generator(seed, BULK_START)
        self._share = [random.permutation(zipf_shares(size, topics.zipf)) for size in topics.parts]
        # the slot in which a part's burst ends
        self._until = [np.zeros(size, np.int64) for size in topics.parts]
        self._factor = np.exp(
            topics.sigma * generator(seed, BULK_FACTOR).standard_normal(self.items)
        )
        self._rates = np.empty(0)
        self._renew()

    def drift(self, random: np.random.Generator) -> None:
        topics = self._topics
        for share in self._share:
            count = int(swap_count(topics.drift_swaps_per_slot, random.random()))
            swap_ranks(share, random.integers(0, len(share), (count, 2)))
        for _ in range(random.poisson(topics.bursts_per_slot)):
            # any part may: large classes trend more often
            part = int(random.integers(sum(topics.parts)))
            kind = 0
            while part >= topics.parts[kind]:
                part -= topics.parts[kind]
                kind += 1
            self._until[kind][part] = self.slot + int(
                random.integers(*topics.burst_slots, endpoint=True)
            )
        self._renew()

    def _renew(self) -> None:
        product = np.ones(1)
        for share, until in zip(self._share, self._until, strict=True):
            weight = np.where(until > self.slot, share * self._topics.burst_factor, share)
            product = np.multiply.outer(product, weight).ravel()
        product *= self._factor
        self._edges = np.cumsum(product)
        self._rates = product * (self.requests / self._edges[-1])

    def draw(self, uniform: Floats) -> Ids:
        return ranks_at(self._edges, uniform)

    def current(self) -> Floats:
        return self._rates

    def ranks(self) -> Floats:
        """The law of the current slot: bursts change it, a little, from slot to slot."""
        return np.asarray(-np.sort(-self._rates))

    @property
    def hazard(self) -> float:
        """Chance that one of an item's parts swaps, bursts or fades within a slot."""
        topics = self._topics
        moves = [
            2 * topics.drift_swaps_per_slot / size + 2 * topics.bursts_per_slot / sum(topics.parts)
            for size in topics.parts
        ]
        return 1 - math.prod(1 - min(1.0, move) for move in moves)

    def prompt(self, item: int) -> str:
        return " ".join(
            f"{'abcdefghij'[k]}{part}"
            for k, part in enumerate(np.unravel_index(item, self._topics.parts))
        )

    @staticmethod
    def parts(prompt: str) -> tuple[str, ...]:
        """A prompt's parts are its words."""
        return tuple(prompt.split())


def open_stream(preset: Preset, seed: int) -> KnownStream:
    """The preset's requests. Raises ScenarioError where it is none of an open catalogue's."""
    return TopicStream(preset, seed) if preset.topics is not None else Drifting(preset, seed)
