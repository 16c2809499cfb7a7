"""One policy against one stream: who is cached when, in the lane of the policy's kind."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from midstep.radio import physics
from midstep.wire.messages_control import Access, CachedOutput
from orchestrator import policies
from orchestrator.decision.cache_model import evicted_prompt
from orchestrator.decision.problem import Problem, Served, slot_cost
from orchestrator.evaluation.driven_cache import DrivenCache
from orchestrator.evaluation.simulator.presets import Preset
from orchestrator.evaluation.simulator.requests import Floats, Ids, KnownStream, Stream
from orchestrator.policies import Policy, SlotRecord
from orchestrator.policies.base import Kind
from orchestrator.policies.kinds.score_planner import ScorePlanner

__all__ = [
    "Lane",
    "LeastCosts",
    "PlannerLane",
    "RuleLane",
    "ScoreLane",
    "best",
    "distinct",
    "least_costs",
    "open_lane",
    "problem",
]

Hits = NDArray[np.bool_]


def problem(preset: Preset, stream: KnownStream, capacity: int) -> Problem:
    """What policies are told; a prompt's key is its item's number, and how many items there are is
    known."""
    frame = int(preset.frame_bits) // 8
    return Problem(
        capacity=capacity * frame,
        steps=preset.steps,
        split_step=preset.split_step,
        frame_bytes=frame,
        reusable_steps=preset.reusable_steps,
        items=stream.items,
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
    def serve(self, requests: Ids, slot: int) -> Hits:
        """Which of the slot's requests (n,), in order, were cached at its start and still there
        when they came, shape (capacities, n). Then the policy plans the next slot."""


class ScoreLane(Lane):
    """A shortcut for planners by score: `observe` and `scores` with numbers, which comes to what
    `PlannerLane` would through `plan`, without a string.

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

    def serve(self, requests: Ids, slot: int) -> Hits:
        hits = self._cached[:, requests]
        ids, counts = distinct(requests)
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
            candidates = np.concatenate([self.held[k], new])
            chosen = candidates[best(self._score[candidates], capacity)]
            self._cached[k, self.held[k]] = False
            self._cached[k, chosen] = True
            self.held[k] = chosen
        if self.policy.learns:
            self.policy.learn()
        return np.asarray(hits)

    def meet(self, ids: Ids) -> None:
        """Tell the policy the words of items that are asked for the first time, where words tell it
        something."""
        for item in ids[~self._met[ids]].tolist():
            self.policy.met(item, self.stream.prompt(item))
        self._met[ids] = True


class DrivenLane(Lane):
    """A policy of any kind at one capacity, through the driver of its kind and a modelled cache."""

    def __init__(self, policy: Policy, stream: Stream, problem: Problem) -> None:
        self.policy = policy
        self.stream = stream
        self.problem = problem
        self.driven = DrivenCache(policy, problem.capacity)
        self._outputs: dict[int, CachedOutput] = {}

    def output(self, item: int) -> CachedOutput:
        """The output that the edge computes for an item."""
        output = self._outputs.get(item)
        if output is None:
            facts = self.problem
            words = self.stream.prompt(item)
            output = CachedOutput(str(item), words, facts.split_step, facts.frame_bytes)
            self._outputs[item] = output
        return output

    def access(self, output: CachedOutput, slot: int, edge_s: float) -> Access:
        """One request for an output, which is served from the cache if that holds it; `edge_s`
        seconds on the edge otherwise."""
        hit = self.driven.cache.holds(output.prompt_key)
        if not hit:
            self.driven.cache.stage([output])
        return Access(
            request_id=output.prompt_key,
            prompt_key=output.prompt_key,
            prompt=output.prompt,
            step=output.step,
            nbytes=output.nbytes,
            reuse="exact" if hit else "computed",
            at_s=float(slot),
            edge_s=0.0 if hit else edge_s,
        )


class RuleLane(DrivenLane):
    """For rules: each request is shown as it comes, and they act within the slot."""

    def serve(self, requests: Ids, slot: int) -> Hits:
        since = set(self.driven.cache.prompts)  # cached since the slot's start
        hits = np.zeros((1, len(requests)), np.bool_)
        for i, item in enumerate(requests.tolist()):
            output = self.output(item)
            hits[0, i] = output.prompt_key in since
            update = self.driven.access(self.access(output, slot, 0.0))
            since.difference_update(map(evicted_prompt, update.evict))
        self.driven.cache.staging.clear()
        return hits


class PlannerLane(DrivenLane):
    """For planners of every kind: a slot is served with what it began with, then shown whole.

    What a slot costs is known to the open model only when all slots are over (requests queue at the
    edge across slots), so that planners by price are told the least that it could cost.
    """

    def __init__(
        self, policy: Policy, stream: Stream, problem: Problem, costs: LeastCosts | None = None
    ) -> None:
        super().__init__(policy, stream, problem)
        self._costs = costs or LeastCosts(0.0, 0.0)

    def serve(self, requests: Ids, slot: int) -> Hits:
        cache = self.driven.cache
        accesses = tuple(
            self.access(self.output(item), slot, self._costs.edge_s) for item in requests.tolist()
        )
        hits = np.array([[access.hit for access in accesses]])
        cost = slot_cost(
            Served(access.prompt_key, access.hit, self._costs.rest_s + access.edge_s)
            for access in accesses
        )
        self.driven.end_slot(SlotRecord(slot, accesses, cost, 0.0, cache.snapshot()))
        cache.staging.clear()
        self.driven.driver.learn()
        return hits


@dataclass(frozen=True)
class LeastCosts:
    """Seconds of a request at least: on the edge where its output is computed, and on the device
    afterwards."""

    edge_s: float
    rest_s: float


def least_costs(preset: Preset) -> LeastCosts:
    """The costs of a preset without queue, transfer and slow devices: (4) and (5)."""
    bits = preset.frame_bits
    split = preset.split_step
    edge = physics.edge_seconds(split, bits, preset.edge_ghz * 1e9)
    device = physics.device_seconds(split, preset.steps, bits, preset.device_ghz * 1e9)
    return LeastCosts(float(edge), float(device))


def open_lane(
    name: str, preset: Preset, stream: KnownStream, seed: int, capacities: Sequence[int]
) -> Lane:
    """The named policy, reset, in the lane of its kind; planners by score run at several capacities
    in one. Raises ScenarioError where the policy's needs are not met."""
    problems = [problem(preset, stream, capacity) for capacity in capacities]
    first = problems[0]
    policies.check(name, first, "simulate")
    policy = policies.find(name)()
    policy.reset(first, seed)
    if policy.kind is Kind.SCORE_PLANNER:
        return ScoreLane(cast(ScorePlanner, policy), stream, capacities)
    if len(capacities) != 1:
        raise ValueError(
            f"{name} is no planner by score: it runs at one capacity at a time, not "
            f"{len(capacities)}"
        )
    if policy.kind.plans:
        return PlannerLane(policy, stream, first, least_costs(preset))
    return RuleLane(policy, stream, first)


def distinct(requests: Ids) -> tuple[Ids, Ids]:
    """The different items of (n,) requests in order of first request, and how often each was asked
    for."""
    ids, first, counts = np.unique(requests, return_index=True, return_counts=True)
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
