"""A policy in charge of a simulated edge: what it holds, its slots, the virtual queue Q."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import replace

from edge_node.cut import CutRule
from midstep.scenario import Scenario
from midstep.wire.messages_control import (
    Access,
    CachedOutput,
    CacheSnapshot,
    CacheUpdate,
    CacheUpdateResult,
    EdgeWork,
)
from orchestrator import policies
from orchestrator.decision.cache_model import CacheModel, is_whole
from orchestrator.decision.problem import Served, VirtualQueue, slot_cost
from orchestrator.evaluation.simulator.events.donors import Donors
from orchestrator.live.setting import run_problem
from orchestrator.live.step_regret import open_regret
from orchestrator.live.updates import check_targets, merge, naming
from orchestrator.policies import LearnerStats, SlotRecord
from orchestrator.policies.kinds.driver import drive
from orchestrator.records.rows import SlotRow

__all__ = ["Keeper"]


class Keeper:
    """Shows the scenario's policy each access and each slot of one edge, and carries out what it
    answers: the targets of its plans go to the edge's `rule`, what enters and leaves to its
    `donors`. `scenario` has that edge alone; `frame_bytes` is an output's size. Raises
    ScenarioError, PolicyFailed."""

    def __init__(
        self, scenario: Scenario, frame_bytes: int, rule: CutRule, donors: Donors | None = None
    ) -> None:
        problem = run_problem(scenario, frame_bytes)
        policies.check(scenario.policy.name, problem, "live")
        self._policy = policies.make(scenario.policy)
        with self._named():
            self._policy.reset(problem, scenario.seed)
        self._driver = drive(self._policy)
        self._at_once = scenario.policy.admission == "access"
        self._staged = scenario.edge.staging // frame_bytes  # outputs that may wait
        several = scenario.policy.steps_per_prompt == "several"
        self._cache = CacheModel(scenario.edge.capacity, several)
        if donors is not None:
            self._cache.admitted = donors.admitted
            self._cache.dropped = donors.dropped
        self._rule = rule
        self._virtual_queue = VirtualQueue(scenario.policy.latency_target_s, problem.weight_v)
        self._regret = open_regret(problem)
        self._accesses: list[Access] = []
        self._steps = scenario.model.steps
        self._pending = CacheUpdate()
        self._done = CacheUpdateResult()
        self._stats: LearnerStats | None = None  # of a training that no slot's row has yet
        empty = self._cache.snapshot()
        self._regret.planned((), empty, empty, 0.0)

    def held(self, key: str, limit: int) -> CachedOutput | None:
        """The furthest output that the store can give a request with this limit."""
        return self._cache.lookup(key, limit)

    def computed(self, output: CachedOutput) -> None:
        """Let a fresh output wait in staging, which drops its oldest where room is needed."""
        self._cache.stage([output])
        waiting = self._cache.staging
        while len(waiting) > self._staged:
            del waiting[next(iter(waiting))]

    def access(self, access: Access) -> None:
        """A request was served."""
        self._accesses.append(access)
        if not self._driver.acts:
            return
        with self._named():
            update = self._driver.access(access)
        if self._at_once:
            self._apply(update)
        else:
            self._pending = merge(self._pending, update)

    def end_slot(self, slot: int, served: Sequence[Served], work: EdgeWork, row: SlotRow) -> None:
        """Account for a slot of which `served` ended, let the policy plan the next and train, and
        fill the slot's row. `work` is the edge's until now."""
        cost = slot_cost(served)
        accesses = tuple(self._accesses)
        self._accesses = []
        before = replace(self._snapshot(), work=work)
        row.drift_plus_penalty = self._virtual_queue.drift_plus_penalty(cost)
        queue_s = self._virtual_queue.update(cost)
        row.gap_to_exact = self._regret.gap(accesses, served)
        ended = SlotRecord(slot, accesses, cost, queue_s, before)
        with self._named():
            planned = self._driver.end_slot(ended)
        check_targets(planned, ended, self._policy.name, self._steps, self._regret.known.keys)
        self._apply(merge(self._pending, planned))
        self._pending = CacheUpdate()
        self._regret.planned(accesses, before, self._cache.snapshot(), queue_s)
        row.queue_s = queue_s
        row.store_bytes = self._cache.nbytes
        row.store_entries = len(self._cache.held)
        row.admitted = self._done.admitted
        row.evicted = self._done.evicted
        self._done = CacheUpdateResult()
        if self._stats is not None:
            row.loss = float(self._stats.loss)
            row.k = int(self._stats.k)
            row.updates = int(self._stats.updates)
        with self._named():
            self._stats = self._driver.learn()

    def _snapshot(self) -> CacheSnapshot:
        """Store and staging as an edge tells them: what waits, also where it is held as well."""
        waiting = tuple(self._cache.staging.values())
        nbytes = sum(output.nbytes for output in waiting)
        return replace(self._cache.snapshot(), staging=waiting, staging_bytes=nbytes)

    def _apply(self, update: CacheUpdate) -> None:
        """Carry an update out as far as it can be, and show the policy what is held where that is
        not all of it."""
        if not update:
            return
        result = self._cache.apply(update)
        if update.targets is not None:
            self._rule.follow(update.targets)
        if not is_whole(update, result, self._cache.several):
            with self._named():
                self._policy.reconcile(tuple(self._cache.held.values()))
        self._done += result

    def _named(self) -> contextlib.AbstractContextManager[None]:
        """Name the policy where it fails."""
        return naming(self._policy.name)
