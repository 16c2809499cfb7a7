"""Generate the requests on which `drc-item` is trained before it ships.

Their settings are others than those of any result that is reported.
"""

from __future__ import annotations

import math

import numpy as np

from midstep.draws import BULK_SESSION, generator
from orchestrator.evaluation.simulator.presets import Preset, Topics, find
from orchestrator.evaluation.simulator.requests import Drifting, Floats, Ids, Stream
from orchestrator.evaluation.simulator.topics import TopicStream

PARTS = ((50, 20, 20, 5), (30, 20, 10, 5), (200, 25, 10), (100, 30, 10, 3), (60, 40, 20))


class Sessions(Stream):
    """Stream of users who try prompts out: new ones come, are repeated, are dropped, and return.

    A request is for a new prompt with probability `new`, else for an old one in proportion to its
    interest. Interest is lognormal at first and decays as (1 + age / lifetime) ** -tail, with
    lifetimes lognormal around `life` slots. The decay is a power law (Anderson and Schooler,
    Psychological Science 2, 1991): popular prompts return after a long silence, as in real streams,
    which exponential decay would rule out.
    """

    def __init__(
        self, preset: Preset, seed: int, new: float, life: float, tail: float, slots: int
    ) -> None:
        super().__init__(preset, seed)
        self.items = slots * self.requests
        self._new = new
        self._life = life
        self._tail = tail
        self._born_count = 0
        self._alive = np.zeros(0, np.int64)
        self._born = np.zeros(0, np.int64)
        self._lives = np.zeros(0)
        self._first = np.zeros(0)

    def drift(self, random: np.random.Generator) -> None:
        alive = self._interest() > 1e-5
        self._alive = self._alive[alive]
        self._born = self._born[alive]
        self._lives = self._lives[alive]
        self._first = self._first[alive]

    def draw(self, uniform: Floats) -> Ids:
        random = generator(self.seed, BULK_SESSION, self.slot)
        fresh = uniform < self._new if len(self._alive) else np.ones(len(uniform), np.bool_)
        items = np.zeros(len(uniform), np.int64)
        if not fresh.all():
            cumulative = np.cumsum(self._interest())
            level = random.random(int((~fresh).sum())) * cumulative[-1]
            at = np.searchsorted(cumulative, level, side="right")
            items[~fresh] = self._alive[np.minimum(at, len(cumulative) - 1)]
        born = self._born_count + np.arange(int(fresh.sum()))
        items[fresh] = born
        self._born_count += len(born)
        lives = self._life * np.exp(random.standard_normal(len(born)))
        first = np.exp(random.standard_normal(len(born))) / lives
        self._alive = np.concatenate([self._alive, born])
        self._born = np.concatenate([self._born, np.full(len(born), self.slot)])
        self._lives = np.concatenate([self._lives, lives])
        self._first = np.concatenate([self._first, first])
        return items

    def _interest(self) -> Floats:
        age = (self.slot - self._born) / self._lives
        return np.asarray(self._first * (1 + age) ** -self._tail)


def generate(seed: int) -> tuple[Stream, int]:
    """Draw a stream of some kind, and the number of slots to play of it."""
    random = np.random.default_rng([seed, 77])
    kind = random.choice(["drifting", "topics", "small", "sessions"], p=[0.25, 0.3, 0.1, 0.35])
    if kind == "drifting":
        return _drifting(random, seed, 10 ** random.uniform(4, 5.1), 10 ** random.uniform(2.3, 3.2))
    if kind == "topics":
        return _topics(random, seed)
    if kind == "small":
        return _drifting(random, seed, 10 ** random.uniform(2.5, 3.8), 10 ** random.uniform(0, 1.5))
    slots = int(random.integers(1500, 4000))
    preset = _preset(
        "full", items=2, requests_per_user=int(10 ** max(0.0, random.uniform(-0.7, 1)))
    )
    tail = random.uniform(1, 3)
    return Sessions(
        preset, seed, random.uniform(0.4, 0.95), 10 ** random.uniform(0.5, 2.7), tail, slots
    ), slots


def _drifting(
    random: np.random.Generator, seed: int, items: float, requests: float
) -> tuple[Stream, int]:
    still = random.random() < 0.15
    swaps = 0.0 if still else items * 10 ** random.uniform(-4.6, -2.3)
    preset = _preset(
        "full",
        items=int(items),
        requests_per_user=int(requests),
        zipf=random.uniform(0.6, 1.1),
        drift_swaps_per_slot=swaps,
    )
    return Drifting(preset, seed), int(random.choice([200, 400, 800, 1400, 2000]))


def _topics(random: np.random.Generator, seed: int) -> tuple[Stream, int]:
    parts = PARTS[random.integers(len(PARTS))]
    topics = Topics(
        parts=parts,
        zipf=random.uniform(0.7, 1.1),
        drift_swaps_per_slot=random.uniform(0, 0.2),
        bursts_per_slot=random.uniform(0, 0.1),
        burst_factor=10 ** random.uniform(0.7, 1.5),
        sigma=float(random.choice([0, 0.5, 1, 1.3])),
    )
    preset = _preset(
        "topics",
        items=math.prod(parts),
        requests_per_user=int(10 ** random.uniform(2.5, 3.2)),
        topics=topics,
    )
    stream = TopicStream(preset, seed)
    if random.random() < 0.25:
        stream.parts = None  # type: ignore[method-assign, assignment]
    return stream, int(random.choice([200, 400, 800, 1400]))


def _preset(name: str, **values: object) -> Preset:
    return Preset.model_validate({**find(name).model_dump(), "users": 1, **values})
