"""Requests of users: from a catalogue with popularity and drift, or from a recorded list of
prompts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from midstep.diffusion import pipelines
from midstep.draws import (
    ENDING,
    PLAIN,
    PRIVATE,
    PRIVATE_SEED,
    PROMPT,
    VARIATION,
    VARIATION_SEED,
    integer,
    uniform,
)
from midstep.errors import ScenarioError
from midstep.scenario import Scenario
from midstep.scenario import Workload as Settings
from midstep.workload.catalogue import Catalogue, load_catalogue
from midstep.workload.lines import read_lines, unreadable
from midstep.workload.popularity import RankDrift, ranks_at, zipf_weights

__all__ = [
    "CatalogueWorkload",
    "StreamWorkload",
    "UserRequest",
    "Workload",
    "find_catalogue",
    "open_workload",
    "read_prompts",
]

SEEDS = 2**31  # seeds of a user's own are below


@dataclass(frozen=True)
class UserRequest:
    """What a user wants: the prompt in full, its semantic core, and the user's own seeds where it
    has any."""

    prompt: str
    edge_prompt: str
    variation_seed: int | None = None
    private_seed: int | None = None


class Workload(Protocol):
    """Requests by (user, index, slot), whoever asks first."""

    def user_request(self, user: int, index: int, slot: int) -> UserRequest | None:
        """The `index`-th request of `user`, sent in `slot`; None where the list of prompts is at
        its end."""


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
        self._weights = zipf_weights(size, settings.popularity.zipf)
        self._cumulative = np.cumsum(self._weights)
        slotted = settings.arrivals.slotted
        self._together = 1 if slotted is None else slotted.per_user  # requests with own prompts
        if self._together > size:
            raise ScenarioError(
                f"workload.arrivals.slotted.per_user: {self._together} prompts that differ are "
                f"more than the catalogue's {size}"
            )
        self._drawn: dict[int, tuple[int, list[int]]] = {}  # of each user's last slot
        self._drift = RankDrift(size, settings.drift_swaps_per_slot, seed)

    def user_request(self, user: int, index: int, slot: int) -> UserRequest:
        item = int(self._drift.order(max(0, slot))[self._rank(user, index)])
        settings = self._settings
        return UserRequest(
            self._words(item, user, index),
            self._catalogue.edge_prompts[item],
            self._own_seed(VARIATION, VARIATION_SEED, settings.variation_share, user, index),
            self._own_seed(PRIVATE, PRIVATE_SEED, settings.private_share, user, index),
        )

    def _rank(self, user: int, index: int) -> int:
        """The popularity rank of a request's prompt."""
        if self._together == 1:
            return int(ranks_at(self._cumulative, uniform(self._seed, PROMPT, index, user)))
        return self._ranks(user, index // self._together)[index % self._together]

    def _ranks(self, user: int, group: int) -> list[int]:
        """The ranks of requests that come together: each by popularity among those that are
        left."""
        if self._drawn.get(user, (-1, []))[0] != group:
            weights = self._weights.copy()
            ranks: list[int] = []
            for index in range(group * self._together, (group + 1) * self._together):
                draw = uniform(self._seed, PROMPT, index, user)
                ranks.append(int(ranks_at(np.cumsum(weights), draw)))
                weights[ranks[-1]] = 0.0
            self._drawn[user] = group, ranks
        return self._drawn[user][1]

    def _words(self, item: int, user: int, index: int) -> str:
        """The edge prompt, or what this user says beside it where the catalogue has endings."""
        endings = self._catalogue.endings
        plain = uniform(self._seed, PLAIN, index, user) < self._settings.plain_share
        if plain or len(endings) == 1:
            return self._catalogue.edge_prompts[item]
        ending = endings[1 + integer(len(endings) - 1, self._seed, ENDING, index, user)]
        return self._catalogue.user_prompt(item, ending.size, ending.position)

    def _own_seed(
        self, kind: int, seed_kind: int, share: float, user: int, index: int
    ) -> int | None:
        """A seed for this share of the requests, by a draw of `kind`."""
        if uniform(self._seed, kind, index, user) >= share:
            return None
        return integer(SEEDS, self._seed, seed_kind, index, user)


class StreamWorkload:
    """Prompts in their order: of `users` users, number u asks for prompts u, u + users, u + 2
    users, ..."""

    def __init__(self, prompts: Sequence[str], users: int) -> None:
        self._prompts = prompts
        self._users = users

    def user_request(self, user: int, index: int, slot: int) -> UserRequest | None:
        number = user + index * self._users
        if number >= len(self._prompts):
            return None
        return UserRequest(self._prompts[number], self._prompts[number])


def read_prompts(path: str) -> list[str]:
    """A file's prompts, one a line. Empty ones stay in: they are asked for, and rejected. Raises
    ScenarioError where the file cannot be read or has no prompt."""
    try:
        lines = read_lines(path)
    except (OSError, UnicodeDecodeError) as error:
        raise ScenarioError(f"workload.prompts: {path}: {unreadable(error)}") from error
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
