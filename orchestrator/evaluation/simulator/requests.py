"""What users of an open catalogue ask for, slot by slot: a true law that drifts, and draws that no
policy can touch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from midstep.errors import ScenarioError
from orchestrator.evaluation.simulator.presets import Preset

Ids = NDArray[np.int64]
Floats = NDArray[np.float64]

DRAWS = 40
DRIFT = 41
START = 42
FACTOR = 43
CHANNEL = 44
PLACE = 45


def generator(seed: int, kind: int, slot: int = 0) -> np.random.Generator:
    """Random numbers that depend on nothing but (seed, kind, slot): a Philox counter, as in
    midstep.radio.fading."""
    key = np.array([seed, kind], np.uint64)
    counter = np.array([0, 0, 0, slot], np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=counter))


def zipf(items: int, exponent: float) -> Floats:
    """Shares of the ranks 1..items, proportional to rank**-exponent; shape (items,), sums to 1."""
    weight = np.arange(1, items + 1, dtype=np.float64) ** -exponent
    return np.asarray(weight / weight.sum())


class Stream(ABC):
    """The requests of one seed.

    Items are numbers 0..items-1. `advance` moves to the next slot; the law drifts *between* slots.
    """

    parts: Callable[[str], tuple[str, ...]] | None = None

    def __init__(self, preset: Preset, seed: int) -> None:
        if preset.distinct:
            raise ScenarioError(
                f"{preset.name}: an open catalogue draws with replacement; set distinct to false"
            )
        self.items = preset.items
        self.seed = seed
        self.requests = preset.users * preset.requests_per_user
        self.slot = -1

    def advance(self) -> Ids:
        """The next slot's requests in order of arrival, (users * requests_per_user,); number i is
        user i % users'."""
        self.slot += 1
        if self.slot:
            self.drift(generator(self.seed, DRIFT, self.slot))
        return self.draw(generator(self.seed, DRAWS, self.slot).random(self.requests))

    @abstractmethod
    def drift(self, random: np.random.Generator) -> None:
        """Change the law from one slot to the next."""

    @abstractmethod
    def draw(self, uniform: Floats) -> Ids:
        """The items at these points (n,) of [0, 1) under the current law, shape (n,)."""

    def prompt(self, item: int) -> str:
        """The item's words."""
        return str(item)


class KnownStream(Stream):
    """Requests with the truth behind them (`orchestrator.decision.problem.Truth`), which ceilings
    such as `bayes` are told."""

    @abstractmethod
    def current(self) -> Floats:
        """Expected requests of each item in the current slot, shape (items,)."""

    def rates(self, slot: int) -> Floats:
        """`current`, for a policy that says which slot it means. Raises ValueError for any but the
        current one."""
        if slot != self.slot:
            raise ValueError(
                f"the stream is in slot {self.slot}; the rates of slot {slot} are not told"
            )
        return self.current()

    @abstractmethod
    def ranks(self) -> Floats:
        """Expected requests a slot at each rank, most popular first, shape (items,)."""

    @property
    @abstractmethod
    def hazard(self) -> float:
        """Chance that an item changes its rank within a slot."""


def swaps(expected: float, random: np.random.Generator) -> int:
    """How many swaps a slot has where `expected` are due: its whole part, and one more with the
    odds of the rest."""
    whole = int(expected)
    return whole + int(random.random() < expected - whole)


class Drifting(KnownStream):
    """Preset `full`: Zipf over ranks; pairs of ranks, drawn uniformly, change places."""

    def __init__(self, preset: Preset, seed: int) -> None:
        super().__init__(preset, seed)
        self._expected = preset.drift_swaps_per_slot
        self._law = zipf(self.items, preset.zipf) * self.requests
        self._edges = np.cumsum(self._law) / self.requests
        self._at = generator(seed, START).permutation(self.items)  # rank -> item
        self._rates = np.empty(self.items)
        self._rates[self._at] = self._law

    def drift(self, random: np.random.Generator) -> None:
        for a, b in random.integers(0, self.items, (swaps(self._expected, random), 2)).tolist():
            first = self._at[a]
            second = self._at[b]
            self._at[a] = second
            self._at[b] = first
            self._rates[first] = self._law[b]
            self._rates[second] = self._law[a]

    def draw(self, uniform: Floats) -> Ids:
        rank = np.minimum(np.searchsorted(self._edges, uniform, side="right"), self.items - 1)
        return np.asarray(self._at[rank], np.int64)

    def current(self) -> Floats:
        return self._rates

    def ranks(self) -> Floats:
        return self._law

    @property
    def hazard(self) -> float:
        return min(1.0, 2 * self._expected / self.items)
