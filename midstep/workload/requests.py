"""Requests of users: from a catalogue with popularity and drift, from a list of prompts, or from
a trace."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from midstep import scenario_file
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
from midstep.scenario import CATALOGUE_PICTURES, Arrivals, Recorded, Scenario
from midstep.scenario import Workload as Settings
from midstep.workload.catalogue import Catalogue, load_catalogue
from midstep.workload.core import check_cores, open_core_rule, with_cores
from midstep.workload.popularity import RankDrift, rank_at, zipf_weights
from midstep.workload.slot_items import SlotLaw
from midstep.workload.start_choice import WithStarts
from midstep.workload.trace import Trace, TraceWorkload, with_negative, with_whole_prompts
from midstep.workload.trace_file import read_trace
from midstep.workload.user_request import UserRequest, Workload

__all__ = [
    "CatalogueWorkload",
    "UserRequest",
    "Workload",
    "find_catalogue",
    "open_workload",
    "read_requests",
    "with_requests",
]

SEEDS = 2**31  # seeds of a user's own are below


class CatalogueWorkload:
    """Zipf over the catalogue's edge prompts; the user's prompt adds a size and a position in its
    own way. The edge is asked for the core, or under `workload.core: whole` for all of it."""

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
        weights = zipf_weights(size, settings.popularity.zipf)
        self._cumulative = np.cumsum(weights).tolist()
        slotted = settings.arrivals.slotted
        self._together = None if slotted is None else slotted.per_user  # requests of a slot
        if slotted is not None and slotted.per_user > size:
            raise ScenarioError(
                f"workload.arrivals.slotted.per_user: {slotted.per_user} prompts that differ are "
                f"more than the catalogue's {size}"
            )
        self._drawn: dict[int, tuple[int, list[int]]] = {}  # each user's last slot, and its items
        self._drift = RankDrift(size, settings.drift_swaps_per_slot, seed)

    def user_request(self, user: int, index: int, slot: int) -> UserRequest:
        item = self._item(user, index, max(0, slot))
        settings = self._settings
        request = UserRequest(
            self._words(item, user, index),
            self._catalogue.edge_prompts[item],
            self._own_seed(VARIATION, VARIATION_SEED, settings.variation_share, user, index),
            self._own_seed(PRIVATE, PRIVATE_SEED, settings.private_share, user, index),
            settings.negative,
        )
        return request.in_full() if settings.core == "whole" else request

    def _item(self, user: int, index: int, slot: int) -> int:
        """The place of a request's edge prompt in the catalogue."""
        if self._together is None:
            rank = rank_at(self._cumulative, uniform(self._seed, PROMPT, index, user))
            return int(self._drift.order(slot)[rank])
        drawn_slot, items = self._drawn.get(user, (-1, []))
        if drawn_slot != slot:
            order = self._drift.order(slot).tolist()
            law = SlotLaw(self._seed, self._cumulative, order)
            items = law.items(slot, user, self._together)
            self._drawn[user] = slot, items
        return items[index % self._together]

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
        if not share or uniform(self._seed, kind, index, user) >= share:
            return None
        return integer(SEEDS, self._seed, seed_kind, index, user)


def read_requests(scenario: Scenario) -> Trace | None:
    """The list of prompts or the trace that the scenario names; where that says no core, by
    workload.core, and where it says no negative prompts, with workload.negative. A run's requests
    are those of whole prompts under `workload.core: whole`. None where the scenario names none.
    Raises ScenarioError, one line; also for a prompt that is to stay on its device and has no core.
    """
    workload = scenario.workload
    key = "workload.trace" if workload.prompts is None else "workload.prompts"
    path = workload.trace if workload.prompts is None else workload.prompts
    if path is None:
        return None
    trace = with_negative(read_trace(path, key), workload.negative)
    if trace.of_run and workload.core == "whole":
        return with_whole_prompts(trace)
    rule = open_core_rule(workload.core, find_catalogue(scenario))
    if scenario.reuse.privacy == "core":
        check_cores(trace, rule, key)
    return with_cores(trace, rule)


def with_requests(scenario: Scenario, trace: Trace | None) -> Scenario:
    """The scenario with what its trace says: how requests arrive, and whether the catalogue has all
    of them. Raises ScenarioError where the trace has users that the scenario has not."""
    if trace is None:
        return scenario
    if trace.users > scenario.users and not (trace.of_run and scenario.timeline):
        raise ScenarioError(_too_many(scenario, trace))
    workload = scenario.workload
    changes: dict[str, Any] = {"within_catalogue": _within_catalogue(scenario, trace)}
    if trace.arrivals is not None:
        changes["arrivals"] = Arrivals(recorded=Recorded(kind=trace.arrivals))
    return scenario.model_copy(update={"workload": workload.model_copy(update=changes)})


def _too_many(scenario: Scenario, trace: Trace) -> str:
    """Why a trace has more users than the scenario, and what to do."""
    counts = f"{trace.source} has {trace.users} users, the scenario {scenario.users} devices"
    if not trace.of_run:
        return f"workload: {counts}; set --users {trace.users}"
    try:
        recorded = scenario_file.load(str(Path(trace.source) / "scenario.yaml"))
    except ScenarioError:  # damaged, or only the rows are there: nobody can say
        recorded = scenario
    if trace.users <= recorded.users:
        return (
            f"workload.trace: {counts}; a run is met again by as many devices as then: "
            "leave devices.N.count as it was recorded"
        )
    came = f"workload.trace: in {trace.source} users came by"
    if recorded.timeline:
        return f"{came} its timeline: leave timeline as it was recorded"
    return (
        f"{came} `midstep scale`; let them come again: --set 'timeline=[{{at_s: 30, users: "
        f"{trace.users}}}]', as its report says"
    )


def _within_catalogue(scenario: Scenario, trace: Trace) -> bool:
    workload = scenario.workload
    if workload.trace is None:
        return False
    known = {*find_catalogue(scenario).edge_prompts[: workload.catalogue_size]}
    requests = [one.request for one in trace.requests]
    one_negative = len({request.negative for request in requests}) <= 1
    return one_negative and all(request.core in known for request in requests)


def open_workload(scenario: Scenario, trace: Trace | None = None) -> Workload:
    """The scenario's workload; `trace`: the requests that it names, where somebody has read them
    already."""
    if scenario.workload.is_listed:
        if trace is None:
            trace = read_requests(scenario)
        assert trace is not None
        listed = TraceWorkload(trace.by_user(scenario.users))
        return _with_starts(scenario, listed, trace)
    workload = CatalogueWorkload(find_catalogue(scenario), scenario.workload, scenario.seed)
    return _with_starts(scenario, workload)


def _with_starts(scenario: Scenario, workload: Workload, trace: Trace | None = None) -> Workload:
    """The workload with the scenario's start pictures. Raises ScenarioError where a catalogue is to
    draw them that has none of the prompts of a `trace`."""
    settings = scenario.workload.start
    if settings is None:
        return workload
    numbers: dict[str, int] = {}
    if settings.pictures == CATALOGUE_PICTURES:
        prompts = find_catalogue(scenario).edge_prompts
        numbers = {prompt: number for number, prompt in enumerate(prompts)}
        if trace is not None and not any(one.request.core in numbers for one in trace.requests):
            raise ScenarioError(
                f"workload.start.pictures: {CATALOGUE_PICTURES} has no picture for the prompts of "
                f"{trace.source}; give a folder of pictures"
            )
    return WithStarts(workload, settings, scenario.seed, numbers)


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
