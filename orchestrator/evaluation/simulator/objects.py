"""Any policy in a closed world, through the same interface as a live edge: one object a lane,
accesses and edits.

Rules act on each request; planners at the slot's boundary. `reactive`: what is decided is what
serves the slot. `proactive`: the slot is served with what was held at its start, and the decision
is for the next.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from midstep.wire.messages import Access, CachedOutput, CacheSnapshot, CacheUpdate
from orchestrator.decision import exact
from orchestrator.decision.problem import Prices, Problem, SlotCost
from orchestrator.decision.slots import Choice
from orchestrator.evaluation.simulator.closed import Rollout
from orchestrator.evaluation.simulator.world import World
from orchestrator.policies.base import Policy, SlotRecord
from orchestrator.policies.kinds.price_planner import price_planner

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
        self.policies = list(policies)
        self.problems = list(problems)
        self.ahead = problems[0].timing == "proactive"
        self.held: list[dict[int, int]] = [{} for _ in policies]  # item -> step
        # what could have been held at the slot's start
        self.known = np.zeros((world.size, world.items), np.bool_)
        self._keys = [str(r) for r in range(world.items)]

    def slot(self, measure: bool, gap: bool) -> Choice:
        world = self.world
        self._price()
        choice = np.zeros_like(self.cached)
        planned = [False] * world.size
        for b in range(world.size):
            if not self.ahead:
                planned[b] = self._decide(b, IDLE)
            for item in np.flatnonzero(world.count[b]):
                choice[b, item] = self.held[b].get(int(item), 0)
        if gap:
            self._regret(choice, measure) if self.ahead else self._compare(choice, measure)
        self.carry = all(planned)
        costs = [self._cost(b, choice) for b in range(world.size)]
        self._settle(choice, measure)
        for b in range(world.size):
            if self.carry:  # chosen items and what there was room for beside them (10)
                self.held[b] = {
                    int(r): int(self.cached[b, r]) for r in np.flatnonzero(self.cached[b])
                }
                continue
            if self.ahead:
                self._decide(b, costs[b])
            self.cached[b] = 0
            for r, step in self.held[b].items():
                self.cached[b, r] = step
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

    def _decide(self, lane: int, cost: SlotCost) -> bool:
        """Show the lane's policy its slot; whether it chose by price, so that (10) says what else
        stays."""
        policy = self.policies[lane]
        held = self.held[lane]
        accesses: list[Access] = []
        fresh: dict[int, int] = {}
        step = self.problems[lane].last_step
        edge_s = self.world.edge_step_s[lane]
        for r in self.world.requests[lane].ravel():
            if r < 0:
                continue
            hit = int(r) in held
            key = self._keys[r]
            access = Access(
                request_id="",
                prompt_key=key,
                prompt=key,
                step=held.get(int(r), step),
                nbytes=self.problems[lane].frame_bytes,
                reuse="exact" if hit else "computed",
                at_s=self.world.slot,
                edge_s=0.0 if hit else step * edge_s,
            )
            accesses.append(access)
            if not hit:
                fresh[int(r)] = step
            self._apply(held, policy.on_access(access))
        if self.ahead:
            self.known[lane] = False
            self.known[lane, [*held, *fresh]] = True
        prices = None if self.ahead else self._prices(lane)
        available = self._contents(lane, held, fresh)
        queue = float(self.queue_s[lane])
        update = policy.plan(
            SlotRecord(self.world.slot, tuple(accesses), cost, queue, available, prices)
        )
        self._apply(held, update)
        policy.learn()
        return prices is not None and price_planner(policy) is not None

    def _apply(self, held: dict[int, int], update: CacheUpdate) -> None:
        for key in update.evict:
            held.pop(int(key), None)
        for key, step in update.admit:
            held[int(key)] = step

    def _contents(self, lane: int, held: dict[int, int], fresh: dict[int, int]) -> CacheSnapshot:
        nbytes = self.problems[lane].frame_bytes
        store, staging = (
            tuple(
                CachedOutput(self._keys[r], self._keys[r], step, nbytes) for r, step in part.items()
            )
            for part in (held, {r: s for r, s in fresh.items() if r not in held})
        )
        return CacheSnapshot(
            store=store,
            staging=staging,
            capacity=self.problems[lane].capacity,
            store_bytes=len(store) * nbytes,
            staging_bytes=len(staging) * nbytes,
        )

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
        """What the slot comes to, for the planner that plans ahead."""
        count = self.world.count[lane]
        system, missed, misses, active = exact.totals(
            self.weight[lane], self.cost_s[lane], self.hit[lane], choice[lane]
        )
        taken = np.take_along_axis(self.hit[lane], choice[lane, :, None].astype(np.int64), 1)[:, 0]
        hits = int(count[taken].sum())
        average = missed / misses if misses else 0.0
        return SlotCost(
            int(count.sum()), hits, int(count.sum()) - hits, int(active), average, system
        )


def objects(
    name: str, make: type[Policy], world: World, seeds: Sequence[int], target_s: Floats
) -> ObjectRollout:
    """A fresh object for each lane of `world`."""
    problems = [world.problem(b) for b in range(world.size)]
    made = [make() for _ in problems]
    for policy, problem, seed in zip(made, problems, seeds, strict=True):
        policy.reset(problem, seed)
    rollout = ObjectRollout(name, made, problems, world, target_s)
    rollout.guarded = True
    return rollout
