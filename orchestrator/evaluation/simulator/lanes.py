"""One policy against one stream: who is cached when. Planners by score run at several capacities in
one pass."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from midstep.errors import ScenarioError
from midstep.wire.messages import Access
from orchestrator import policies
from orchestrator.decision.problem import Problem
from orchestrator.evaluation.simulator.presets import Preset
from orchestrator.evaluation.simulator.requests import Floats, Ids, KnownStream
from orchestrator.policies import Policy
from orchestrator.policies.kinds.score_planner import ScorePlanner

Hits = NDArray[np.bool_]


def problem(preset: Preset, stream: KnownStream, capacity: int) -> Problem:
    """What policies are told of an open catalogue; a prompt's key is its item's number."""
    frame = int(preset.frame_bits) // 8
    return Problem(
        capacity * frame,
        preset.steps,
        preset.split_step,
        frame_bytes=frame,
        reusable_steps=preset.reusable_steps,
        users=preset.users,
        edge=preset.edge,
        timing=preset.timing,
        weight_v=preset.weight_v,
        parts=stream.parts,
        number=int,
        truth=stream,
    )


class Lane(ABC):
    """A policy and its stores, one for each of `capacities` (items)."""

    @abstractmethod
    def serve(self, asked: Ids, slot: int) -> Hits:
        """Which of the slot's requests (n,), in order, were cached at its start and still there
        when they came, shape (capacities, n). Then the policy plans the next slot."""


class ScoreLane(Lane):
    """Drives `observe` and `scores` with numbers: as Ranked.plan would, without a string.

    Several capacities share one policy where what it knows does not depend on what is held.
    """

    def __init__(
        self, policy: ScorePlanner, stream: KnownStream, capacities: Sequence[int]
    ) -> None:
        self.policy = policy
        self.stream = stream
        self.capacities = capacities
        self.held = [np.empty(0, np.int64) for _ in capacities]  # in order of admission
        self._cached = np.zeros((len(capacities), stream.items), np.bool_)
        self._wanted = np.zeros(stream.items, np.bool_)
        self._score = np.zeros(stream.items)
        self._met = np.full(stream.items, stream.parts is None)

    def serve(self, asked: Ids, slot: int) -> Hits:
        hits = self._cached[:, asked]
        ids, counts = distinct(asked)
        self.meet(ids)
        self.policy.observe(ids, counts, slot)
        fresh = [ids[~cached[ids]] for cached in self._cached]
        for held, new in zip(self.held, fresh, strict=True):
            self._wanted[held] = True
            self._wanted[new] = True
        every = np.flatnonzero(self._wanted)
        self._wanted[every] = False
        self._score[every] = self.policy.scores(every, slot)
        for k, (capacity, new) in enumerate(zip(self.capacities, fresh, strict=True)):
            ranked = np.concatenate([self.held[k], new])
            kept = ranked[best(self._score[ranked], capacity)]
            self._cached[k, self.held[k]] = False
            self._cached[k, kept] = True
            self.held[k] = kept
        self.policy.learn()
        return np.asarray(hits)

    def meet(self, ids: Ids) -> None:
        """Tell the policy the words of items that are asked for the first time, where words tell it
        something."""
        for item in ids[~self._met[ids]].tolist():
            self.policy.met(item, self.stream.prompt(item))
        self._met[ids] = True


class RuleLane(Lane):
    """Drives `on_access` request by request, at one capacity: rules act at once, within the
    slot."""

    def __init__(self, policy: Policy, stream: KnownStream, preset: Preset) -> None:
        self.policy = policy
        self._keys = [str(i) for i in range(stream.items)]
        self._step = preset.split_step
        self._bytes = int(preset.frame_bits) // 8
        self._held: set[str] = set()

    def serve(self, asked: Ids, slot: int) -> Hits:
        since = set(self._held)  # cached since the slot's start
        hits = np.zeros((1, len(asked)), np.bool_)
        for i, item in enumerate(asked.tolist()):
            key = self._keys[item]
            hit = key in self._held
            hits[0, i] = key in since
            update = self.policy.on_access(
                Access(
                    key,
                    key,
                    key,
                    self._step,
                    self._bytes,
                    "exact" if hit else "computed",
                    float(slot),
                    0.0,
                )
            )
            if update:
                self._held.difference_update(update.evict)
                since.difference_update(update.evict)
                self._held.update(k for k, _ in update.admit)
        return hits


def open_lane(
    name: str, preset: Preset, stream: KnownStream, seed: int, capacities: Sequence[int]
) -> Lane:
    """The named policy, reset. Raises ScenarioError where it cannot serve an open catalogue."""
    cls = policies.find(name)
    told = problem(preset, stream, capacities[0])
    if cls.stores == "final":
        raise ScenarioError(
            f"policy.name: {name} keeps finished pictures, which simulated prompts do not have"
        )
    policy = cls()
    if isinstance(policy, ScorePlanner):
        policies.check(name, told)
        policy.reset(told, seed)
        return ScoreLane(policy, stream, capacities)
    if "closed" in cls.needs or (cls.on_access is Policy.on_access and cls.plan is not Policy.plan):
        raise ScenarioError(
            f"policy.name: {name} cannot plan for an open catalogue; planners by score and rules "
            f"can"
        )
    policies.check(name, told)
    if len(capacities) != 1:
        raise ValueError(
            f"{name} is a rule: it runs at one capacity at a time, not {len(capacities)}"
        )
    policy.reset(told, seed)
    return RuleLane(policy, stream, preset)


def distinct(asked: Ids) -> tuple[Ids, Ids]:
    """The different items of (n,) requests in order of first request, and how often each was asked
    for."""
    ids, first, counts = np.unique(asked, return_index=True, return_counts=True)
    order = np.argsort(first)
    return ids[order], counts[order].astype(np.int64)


def best(score: Floats, capacity: int) -> Ids:
    """Where the `capacity` largest of (n,) scores are, in order of place; of equals the first, as
    by a stable sort."""
    if len(score) <= capacity:
        return np.arange(len(score))
    if capacity == 0:
        return np.empty(0, np.int64)
    least = np.partition(score, len(score) - capacity)[len(score) - capacity]
    above = score > least
    equal = np.flatnonzero(score == least)[: capacity - int(above.sum())]
    above[equal] = True
    return np.flatnonzero(above)
