"""What users ask for: a catalogue with popularity and drift, or a recorded stream of prompts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from midstep.diffusion import pipelines
from midstep.errors import ScenarioError
from midstep.scenario import Scenario
from midstep.scenario import Workload as Settings
from midstep.workload.catalogue import Catalogue, load_catalogue

_CHOICE = 10
_DRIFT = 11
_THINK = 12


@dataclass(frozen=True)
class UserRequest:
    """One request before it is asked: the user's prompt in full, its semantic core, and the user's
    own seeds."""

    prompt: str
    edge_prompt: str
    variation_seed: int | None = None
    private_seed: int | None = None


class Workload(Protocol):
    """Deterministic in (user, index, slot): it never depends on who asks first."""

    def user_request(self, user: int, index: int, slot: int) -> UserRequest | None:
        """What `user` asks for as its `index`-th request, made in `slot`; None where nothing is
        left to ask."""


def generator(seed: int, kind: int, user: int, index: int) -> np.random.Generator:
    """A stream of draws that depends on nothing but the arguments."""
    return np.random.Generator(np.random.Philox(key=[seed, kind], counter=[0, 0, user, index]))


def pause_s(seed: int, user: int, index: int, mean_s: float) -> float:
    """Exponential think or inter-arrival time before the `index`-th request, seconds."""
    return float(generator(seed, _THINK, user, index).exponential(mean_s)) if mean_s else 0.0


class Drift:
    """Which item holds which popularity rank in each slot: `swaps` random pairs of ranks exchange
    every slot."""

    def __init__(self, items: int, swaps_per_slot: float, seed: int) -> None:
        self._swaps = swaps_per_slot
        self._seed = seed
        self._slot = 0
        self._order: NDArray[np.int64] = np.arange(items)

    def order(self, slot: int) -> NDArray[np.int64]:
        """Item of each rank, most popular first. Slots may be asked for in any order; forward is
        cheap."""
        if slot < self._slot:
            self._order = np.arange(len(self._order))
            self._slot = 0
        while self._slot < slot:
            self._slot += 1
            rng = generator(self._seed, _DRIFT, 0, self._slot)
            whole = math.floor(self._swaps)
            for _ in range(whole + int(rng.random() < self._swaps - whole)):
                a, b = rng.integers(len(self._order), size=2)
                self._order[[a, b]] = self._order[[b, a]]
        return self._order


class CatalogueWorkload:
    """Zipf over the catalogue's edge prompts; the user's prompt adds a size and a position in its
    own way."""

    def __init__(self, catalogue: Catalogue, settings: Settings, seed: int) -> None:
        self._catalogue = catalogue
        self._settings = settings
        self._seed = seed
        total = len(catalogue.edge_prompts)
        size = settings.catalogue_size or total
        if size > total:
            raise ScenarioError(
                f"workload.catalogue_size: {size} is above the catalogue's {total} edge prompts"
            )
        weight = np.arange(1, size + 1, dtype=np.float64) ** -settings.popularity.zipf
        self._cumulative = np.cumsum(weight / weight.sum())
        self._drift = Drift(size, settings.drift_swaps_per_slot, seed)

    def user_request(self, user: int, index: int, slot: int) -> UserRequest:
        rng = generator(self._seed, _CHOICE, user, index)
        rank = min(int(np.searchsorted(self._cumulative, rng.random())), len(self._cumulative) - 1)
        item = int(self._drift.order(max(0, slot))[rank])
        core = self._catalogue.edge_prompts[item]
        plain, vary, own = rng.random(3)
        ending = self._catalogue.endings[1 + int(rng.integers(len(self._catalogue.endings) - 1))]
        said = (
            core
            if plain < self._settings.plain_share
            else self._catalogue.user_prompt(item, ending.size, ending.position)
        )
        seeds = rng.integers(2**31, size=2)
        return UserRequest(
            said,
            core,
            int(seeds[0]) if vary < self._settings.variation_share else None,
            int(seeds[1]) if own < self._settings.private_share else None,
        )


class StreamWorkload:
    """Prompts in their order: of `users` users, number u asks for prompts u, u + users, u + 2
    users, ..."""

    def __init__(self, prompts: Sequence[str], users: int) -> None:
        self._prompts = prompts
        self._users = users

    def user_request(self, user: int, index: int, slot: int) -> UserRequest | None:
        at = user + index * self._users
        return (
            UserRequest(self._prompts[at], self._prompts[at]) if at < len(self._prompts) else None
        )


def read_prompts(path: str) -> list[str]:
    """A file's prompts, one a line; empty ones stay in: they are asked for, and rejected. Raises
    ScenarioError."""
    try:
        lines = Path(path).expanduser().read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ScenarioError(
            f"workload.prompts: {path} cannot be read as UTF-8 text: {error}"
        ) from error
    if not any(line.strip() for line in lines):
        raise ScenarioError(f"workload.prompts: {path} holds no prompt")
    return lines


def open_workload(scenario: Scenario, prompts: Sequence[str] | None = None) -> Workload:
    """The scenario's workload; `prompts` are those of its file where somebody has read them
    already."""
    settings = scenario.workload
    if settings.prompts is not None:
        return StreamWorkload(
            read_prompts(settings.prompts) if prompts is None else prompts, scenario.users
        )
    return CatalogueWorkload(find_catalogue(scenario), settings, scenario.seed)


def find_catalogue(scenario: Scenario) -> Catalogue:
    """The catalogue that the scenario names. Raises ScenarioError."""
    name = scenario.workload.catalogue
    path = pipelines.catalogue_file(scenario.model.path if name == "auto" else name)
    if path is None and name == "auto":
        path = pipelines.catalogue_file("midstep-emoji")
    if path is None:
        raise ScenarioError(
            f"workload.catalogue: {name} has no catalogue.json; use auto or midstep-emoji"
        )
    return load_catalogue(path)
