"""Requests for an open catalogue, slot by slot: a true law that drifts, and draws that do not
depend on the policy."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from midstep.draws import BULK_DRIFT, BULK_REQUEST, BULK_START, generator
from midstep.errors import ScenarioError
from midstep.workload.popularity import ranks_at, swap_count, swap_ranks, zipf_shares
from orchestrator.evaluation.simulator.presets import Preset

__all__ = ["Drifting", "Floats", "Ids", "KnownStream", "Stream"]

Ids = NDArray[np.int64]
Floats = NDArray[np.float64]


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
            self.drift(generator(self.seed, BULK_DRIFT, self.slot))
        return self.draw(generator(self.seed, BULK_REQUEST, self.slot).random(self.requests))

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
    such as `bayes` know."""

    @abstractmethod
    def current(self) -> Floats:
        """Expected requests of each item in the current slot, shape (items,)."""

    def rates(self, slot: int) -> Floats:
        """`current`, for a policy that names the slot. Raises ValueError for any but the
        current one."""
        if slot != self.slot:
            raise ValueError(
                f"the stream is in slot {self.slot}; the rates of slot {slot} are not known"
            )
        return self.current()

    @abstractmethod
    def ranks(self) -> Floats:
        """Expected requests a slot at each rank, most popular first, shape (items,)."""

    @property
    @abstractmethod
    def hazard(self) -> float:
        """Chance that an item changes its rank within a slot."""


class Drifting(KnownStream):
    """Preset `full`: Zipf over ranks; pairs of ranks, drawn uniformly, change places."""

    def __init__(self, preset: Preset, seed: int) -> None:
        super().__init__(preset, seed)
        self._expected = preset.drift_swaps_per_slot
        self._law = zipf_shares(self.items, preset.zipf) * self.requests
        self._edges = np.cumsum(self._law) / self.requests
        self._item_at = generator(seed, BULK_START).permutation(self.items)  # by rank
        self._rates = np.empty(self.items)
        self._rates[self._item_at] = self._law

    def drift(self, random: np.random.Generator) -> None:
        count = int(swap_count(self._expected, random.random()))
        pairs = random.integers(0, self.items, (count, 2))
        swap_ranks(self._item_at, pairs)
        self._rates[self._item_at[pairs]] = self._law[pairs]

    def draw(self, uniform: Floats) -> Ids:
        return np.asarray(self._item_at[ranks_at(self._edges, uniform)], np.int64)

    def current(self) -> Floats:
        return self._rates

    def ranks(self) -> Floats:
        return self._law

    @property
    def hazard(self) -> float:
        return min(1.0, 2 * self._expected / self.items)
