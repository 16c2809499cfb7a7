"""Any policy in a closed world, through the same interface as a live edge: one object a lane,
which sees accesses and answers cache updates.

Rules act on each request; planners at the slot's boundary. `reactive`: what is decided is what
serves the slot. `proactive`: the slot is served with what was held at its start, and the decision
is for the next.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from midstep.wire.messages_control import Access, CachedOutput
from orchestrator.decision import exact
from orchestrator.decision.problem import Prices, Problem, SlotCost
from orchestrator.decision.slots import Choice
from orchestrator.evaluation.driven_cache import DrivenCache
from orchestrator.evaluation.simulator.closed import Rollout
from orchestrator.evaluation.simulator.world import World
from orchestrator.policies.base import Kind, Policy, SlotRecord
from orchestrator.policies.kinds.price_planner import price_planner

__all__ = ["ObjectRollout", "objects"]

Floats = NDArray[np.float64]
IDLE = SlotCost(0, 0, 0, 0, 0.0, 0.0)


class ObjectRollout(Rollout):
    """One policy, one object for each lane."""

    def __init__(
        self,
        name: str,
        policies: Sequence[Policy],
        problems: Sequence[Problem],
        world: World,
        target_s: Floats,
    ) -> None:
        super().__init__(name, None, world, target_s)
        self.problems = list(problems)
        self.ahead = problems[0].timing == "proactive"
        # planners by price choose among a slot's prompts: (10) says what else stays
        self.carry = not self.ahead and policies[0].kind is Kind.PRICE_PLANNER
        self.driven = [
            DrivenCache(policy, problem.capacity)
            for policy, problem in zip(policies, problems, strict=True)
        ]
        # what could have been held at the slot's start
        self.known = np.zeros((world.size, world.items), np.bool_)
        self._keys = [str(r) for r in range(world.items)]

    def slot(self, measure: bool, gap: bool) -> Choice:
        world = self.world
        self._price()
        choice = np.zeros_like(self.cached)
        for b, driven in enumerate(self.driven):
            if not self.ahead:
                self._decide(b, IDLE)
            for item in np.flatnonzero(world.count[b]):
                output = driven.cache.output(self._keys[item])
                choice[b, item] = 0 if output is None else output.step
        if gap:
            self._regret(choice, measure) if self.ahead else self._compare(choice, measure)
        costs = [self._cost(b, choice) for b in range(world.size)]
        self._settle(choice, measure)
        for b, driven in enumerate(self.driven):
            if self.carry:
                items = np.flatnonzero(self.cached[b]).tolist()
                driven.cache.hold(self._output(b, r, int(self.cached[b, r])) for r in items)
                continue
            if self.ahead:
                self._decide(b, costs[b])
            self.cached[b] = 0
            for key, step in driven.cache.held:
                self.cached[b, int(key)] = step
        return choice

    def _regret(self, choice: Choice, measure: bool) -> None:
        """The gap of a plan that was made ahead: P2 solved on the slot as it came, over what there
        was to keep."""
        cost = np.full_like(self.cost_s, np.inf)
        hit = np.zeros_like(self.hit)
        cost[:, :, 0] = self.cost_s[:, :, 0]
        for b, problem in enumerate(self.problems):
            step = problem.last_step
            rows = self.known[b]
            cost[b, rows, step] = self.world.base_s[b, rows, step]
            hit[b, rows, step] = self.world.tolerated[b, rows, step]
            # held, but of no use in this slot: computed again
            late = rows & ~self.world.tolerated[b, :, step]
            cost[b, late, step] += self.wait_s[b] + step * self.world.edge_step_s[b]
        self._compare(choice, measure, cost, hit)

    def _decide(self, lane: int, cost: SlotCost) -> None:
        """Show the lane's policy its slot, and apply what it answers."""
        driven = self.driven[lane]
        cache = driven.cache
        step = self.problems[lane].last_step
        cache.staging.clear()
        accesses: list[Access] = []
        missed: list[int] = []
        for r in self.world.requests[lane].ravel():
            if r < 0:
                continue
            output = cache.output(self._keys[r])
            hit = output is not None
            if output is None:
                output = self._output(lane, r, step)
                missed.append(int(r))
                cache.stage([output])
            access = Access(
                request_id="",
                prompt_key=output.prompt_key,
                prompt=output.prompt,
                step=output.step,
                nbytes=output.nbytes,
                reuse="exact" if hit else "computed",
                at_s=self.world.slot,
                edge_s=0.0 if hit else step * self.world.edge_step_s[lane],
            )
            accesses.append(access)
            driven.access(access)
        if self.ahead:
            self.known[lane] = False
            self.known[lane, [*map(int, cache.prompts), *missed]] = True
        prices = None if self.ahead else self._prices(lane)
        queue = float(self.queue_s[lane])
        record = SlotRecord(self.world.slot, tuple(accesses), cost, queue, cache.snapshot(), prices)
        update = driven.driver.end_slot(record)
        if not self.ahead:
            # what the plan names is computed in this very slot, at the step that it names
            cache.stage(self._output(lane, int(key), at) for key, at in update.admit)
        if self.carry:
            cache.hold(o for o in cache.held.values() if self.world.count[lane, int(o.prompt_key)])
        if update:
            driven.apply(update)
        driven.driver.learn()

    def _output(self, lane: int, item: int, step: int) -> CachedOutput:
        key = self._keys[item]
        return CachedOutput(key, key, step, self.problems[lane].frame_bytes)

    def _prices(self, lane: int) -> Prices:
        rows = np.flatnonzero(self.world.count[lane])
        return Prices(
            tuple(self._keys[r] for r in rows),
            self.world.count[lane, rows],
            self.cost_s[lane, rows],
            self.hit[lane, rows],
            self.world.channel[lane, : self.problems[lane].users],
            float(self.target_s[lane]),
        )

    def _cost(self, lane: int, choice: Choice) -> SlotCost:
        """The slot's costs, for a planner that plans ahead."""
        count = self.world.count[lane]
        system, missed, misses, active = exact.totals(
            self.weight[lane], self.cost_s[lane], self.hit[lane], choice[lane]
        )
        chosen = choice[lane, :, None].astype(np.int64)
        served = np.take_along_axis(self.hit[lane], chosen, 1)[:, 0]
        hits = int(count[served].sum())
        average = missed / misses if misses else 0.0
        return SlotCost(
            int(count.sum()), hits, int(count.sum()) - hits, int(active), average, system
        )


def objects(
    name: str, make: type[Policy], world: World, seeds: Sequence[int], target_s: Floats
) -> ObjectRollout:
    """A fresh object for each lane of `world`; where prices are known before the plan, the planner
    by price that stands for it."""
    problems = [world.problem(b) for b in range(world.size)]
    players = [make() for _ in problems]
    if problems[0].timing == "reactive":
        players = [price_planner(policy) or policy for policy in players]
    for policy, problem, seed in zip(players, problems, seeds, strict=True):
        policy.reset(problem, seed)
    rollout = ObjectRollout(name, players, problems, world, target_s)
    rollout.guarded = True
    return rollout
