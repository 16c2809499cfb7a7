"""Plans of a coupled edge's slots (the paper's), as one lane of the closed model: the waiting
requests become prices (14), (15), the policy's answer becomes what the edge serves, and what the
store holds after the slot follows by carry-over (10).

Prices, tolerance, serve guard and carry-over are the simulator's own kernels
(orchestrator.decision), so that one seed is one world on both roads. To the policy a prompt is its
place in the catalogue.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from midstep.wire.messages_control import (
    CachedOutput,
    CacheSnapshot,
    CacheUpdate,
    Demand,
    PlannedStep,
    SlotPlan,
)
from orchestrator.decision.problem import Prices, Problem, SlotCost
from orchestrator.decision.slots import Choice, SlotPrices
from orchestrator.policies import Policy, SlotRecord

__all__ = ["Planned", "SlotPlanner", "SlotSetting", "SlotState"]

Floats = NDArray[np.float64]
NO_COST = SlotCost(0, 0, 0, 0, 0.0, 0.0)  # a slot that has not been served yet
NO_TARGET_S = 1e9  # Lbar where none is known: no limit


@dataclass(frozen=True, kw_only=True)
class SlotSetting:
    """What a slot's prices depend on beside the problem: the `prompts` of the catalogue in their
    places, D in bits, each user's W_n in hertz (`bandwidth_hz`, by user number), the draws' `seed`,
    and whether tolerance is drawn (`tolerant`)."""

    prompts: Sequence[str]
    frame_bits: float
    bandwidth_hz: Floats
    seed: int
    tolerant: bool


@dataclass(frozen=True, kw_only=True)
class SlotState:
    """The state in which a slot is planned: its number in the run, and as the policy counts
    (`counted`); Q and Lbar of (23), None where that is not known yet; seconds of a step at the
    edge."""

    slot: int
    counted: int
    queue_s: float
    target_s: float | None
    edge_step_s: float


@dataclass(frozen=True, kw_only=True)
class Planned:
    """A slot's plan: `plan` for the edge; by place (R,) the `count` of requests, the policy's
    `choice`, the step `after` the slot of what was asked for, and the prompts' keys; `gap` to exact
    P2 on the same prices, None where nothing could be gained."""

    plan: SlotPlan
    count: NDArray[np.int64]
    choice: Choice
    after: Choice
    keys: Mapping[int, str]
    gap: float | None


class SlotPlanner:
    """Plans slots with a price planner that has been reset for `problem`. Q and Lbar are the
    caller's; what is held comes from the edge."""

    def __init__(self, policy: Policy, problem: Problem, setting: SlotSetting) -> None:
        assert problem.items is not None
        self.policy = policy
        self.problem = problem
        self._setting = setting
        self._place = {prompt: r for r, prompt in enumerate(setting.prompts[: problem.items])}
        self._names = [str(r) for r in range(problem.items)]
        choices = problem.last_step + 1
        self.cost_s = np.full((1, problem.items, choices), np.inf)
        self.hit = np.zeros((1, problem.items, choices), np.bool_)
        self._base_s = np.zeros((1, problem.items, choices))
        self._tolerated = np.ones((1, problem.items, choices), np.bool_)
        self._weight = np.zeros((1, problem.items))
        self._last_use = np.full(problem.items, -1, np.int64)
        users = len(setting.bandwidth_hz)
        self._rate_bps = np.zeros(users)  # as each user last said
        self._guarded = bool(getattr(policy, "guarded", False))

    def resize(self, capacity: int) -> None:
        """The store has `capacity` bytes from now on."""
        self.problem = replace(self.problem, capacity=capacity)

    def cached(self, held: Sequence[CachedOutput]) -> Choice:
        """The step held of each place (R,), 0 for none."""
        cached = np.zeros(self.problem.items or 0, np.int8)
        for output in held:
            place = self._place.get(output.prompt)
            if place is not None:
                cached[place] = output.step
        return cached

    def known(self, held: Sequence[CachedOutput]) -> tuple[CachedOutput, ...]:
        """Outputs as the policy knows them: by their places."""
        places = [(output, self._place.get(output.prompt)) for output in held]
        return tuple(
            CachedOutput(self._names[place], self._names[place], output.step, output.nbytes)
            for output, place in places
            if place is not None
        )

    def plan(
        self, demand: Sequence[Demand], held: Sequence[CachedOutput], state: SlotState
    ) -> Planned:
        """Plan a slot for the requests that wait, with `held` in the store. Raises ValueError for
        an answer that cannot be carried out, and what the policy raises."""
        places = [self._place.get(one.prompt, -1) for one in demand]
        count = np.bincount(
            [place for place in places if place >= 0], minlength=self.problem.items or 0
        )
        # compiled code: loaded where it is used
        from orchestrator.decision.choice_prices import step_after

        cached = self.cached(held)
        self._price(demand, places, count, cached, state)
        target_s = NO_TARGET_S if state.target_s is None else state.target_s
        rows = np.flatnonzero(count)
        prices = Prices(
            tuple(self._names[r] for r in rows),
            count[rows],
            self.cost_s[0, rows],
            self.hit[0, rows],
            self._channel(),
            target_s,
        )
        store = self.known(held)
        nbytes = sum(output.nbytes for output in store)
        snapshot = CacheSnapshot(
            store=store,
            staging=(),
            capacity=self.problem.capacity,
            store_bytes=nbytes,
            staging_bytes=0,
        )
        record = SlotRecord(state.counted, (), NO_COST, state.queue_s, snapshot, prices)
        choice = self._chosen(self.policy.plan(record), rows, cached)
        served = self._served(rows, choice)
        keys: dict[int, str] = {}
        for one, place in zip(demand, places, strict=True):
            keys.setdefault(place, one.prompt_key)
        steps = tuple(
            PlannedStep(
                prompt_key=keys[r],
                step=int(served[r]),
                from_store=bool(self.hit[0, r, served[r]]),
            )
            for r in rows.tolist()
        )
        after = choice.copy()
        for r in rows.tolist():
            after[r] = step_after(int(choice[r]), int(served[r]), int(cached[r]))
        return Planned(
            plan=SlotPlan(slot=state.slot, steps=steps),
            count=count,
            choice=choice,
            after=after,
            keys=keys,
            gap=self._gap(choice, state.queue_s, target_s),
        )

    def update(self, planned: Planned, store: Sequence[CachedOutput]) -> CacheUpdate:
        """Differences that turn the `store` into what it holds after the planned slot: what was
        chosen, and what nobody asked for while there is room. To be called once a slot."""
        from orchestrator.decision.carry_over import carry_over

        before = self.cached(store)
        after = before.copy()
        room = float(self.problem.places)
        carry_over(planned.count, planned.after, after, self._last_use, room, planned.plan.slot)
        keys = dict(planned.keys)
        keys.update({self._place.get(output.prompt, -1): output.prompt_key for output in store})
        evict = tuple(keys[r] for r in np.flatnonzero((before > 0) & (after == 0)).tolist())
        fresh = np.flatnonzero((after > 0) & (after != before)).tolist()
        return CacheUpdate(admit=tuple((keys[r], int(after[r])) for r in fresh), evict=evict)

    def state_dict(self) -> dict[str, Any]:
        """When each place was last asked for, and what users last said of their links."""
        return {"last_use": self._last_use.copy(), "rate_bps": self._rate_bps.copy()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from there, in the same run or in one whose slots begin again: what was in use
        before is older than what is to come."""
        last_use = np.array(state["last_use"])
        self._last_use = last_use - (last_use.max(initial=-1) + 1)
        self._rate_bps = np.array(state["rate_bps"])

    def _price(
        self,
        demand: Sequence[Demand],
        places: Sequence[int],
        count: NDArray[np.int64],
        cached: Choice,
        state: SlotState,
    ) -> None:
        """Fill the prices of each choice: `cost_s`, `hit`, weights."""
        # compiled code: loaded where it is used
        from orchestrator.decision import choice_prices

        one = np.array([False])
        last = np.array([self.problem.last_step])
        requests, limit, transfer_s, step_s = self._requests(demand, places)
        counts = count[None]
        choice_prices.price_choices(
            choice_prices.Cuts(self.problem.steps, last, one, np.array([self.problem.split_step])),
            requests,
            counts,
            transfer_s,
            step_s,
            self._base_s,
        )
        choice_prices.draw_tolerance(
            np.array([self._setting.seed]),
            state.slot,
            np.array([self._setting.tolerant]),
            counts,
            self._tolerated,
        )
        choice_prices.price(
            self._base_s,
            self._tolerated,
            choice_prices.EdgeTerms(
                count=counts,
                shared=one,
                split=np.array([self.problem.split_step]),
                edge_step_s=np.array([state.edge_step_s]),
                wait_s=np.zeros(1),
            ),
            cached[None],
            choice_prices.Costs(self.cost_s, self.hit, self._weight),
        )
        if limit.min(initial=self.problem.steps) < self.problem.last_step:
            choice_prices.price_limited(
                choice_prices.Limited(
                    requests=requests[0],
                    limit=limit,
                    transfer_s=transfer_s[0],
                    step_s=step_s[0],
                    steps=self.problem.steps,
                    edge_step_s=state.edge_step_s,
                ),
                self.cost_s[0],
                self.hit[0],
            )

    def _requests(
        self, demand: Sequence[Demand], places: Sequence[int]
    ) -> tuple[NDArray[np.int32], NDArray[np.int64], Floats, Floats]:
        """The waiting requests by user (1, U, k), their reuse limits (U, k), each user's (8) for a
        frame and seconds of a step (1, U). A request whose device does not say its rate or speed
        has no price of its own."""
        by_user: dict[int, list[tuple[int, int]]] = {}
        device: dict[int, Demand] = {}
        for one, place in zip(demand, places, strict=True):
            if 0 <= one.user < len(self._rate_bps) and one.rate_bps > 0:
                self._rate_bps[one.user] = one.rate_bps
            if place >= 0 and one.rate_bps > 0 and one.step_s > 0:
                by_user.setdefault(one.user, []).append((place, one.limit))
                device[one.user] = one
        most = max(map(len, by_user.values()), default=0)
        requests = np.full((1, len(by_user), most), -1, np.int32)
        limit = np.full((len(by_user), most), self.problem.steps)
        for u, pairs in enumerate(by_user.values()):
            requests[0, u, : len(pairs)] = [place for place, _ in pairs]
            limit[u, : len(pairs)] = [last for _, last in pairs]
        rates = np.array([one.rate_bps for one in device.values()])
        transfer_s = self._setting.frame_bits / rates
        step_s = np.array([one.step_s for one in device.values()])
        return requests, limit, transfer_s[None], step_s[None]

    def _channel(self) -> Floats:
        """log2(1 + SNR) of the users that the run began with (U,), as each last said."""
        return self._rate_bps / self._setting.bandwidth_hz

    def _chosen(self, update: CacheUpdate, rows: NDArray[np.int64], cached: Choice) -> Choice:
        """The step of each place (R,) that a policy's answer wants, 0 where nobody asks."""
        choice = np.zeros_like(cached)
        choice[rows] = cached[rows]
        place = {self._names[r]: r for r in rows.tolist()}
        for eviction in update.evict:
            key = eviction if isinstance(eviction, str) else eviction[0]
            if key in place:
                choice[place[key]] = 0
        for key, step in update.admit:
            if key not in place:
                raise ValueError(f"it wants step {step} of prompt {key}, which nobody asks for")
            if not 2 <= step <= self.problem.last_step:
                raise ValueError(
                    f"it wants step {step} of prompt {key}: a plan names 2 to "
                    f"{self.problem.last_step}"
                )
            choice[place[key]] = step
        wanted = int((choice > 0).sum())
        if wanted > self.problem.places:
            raise ValueError(f"it wants {wanted} outputs where {self.problem.places} fit")
        return choice

    def _served(self, rows: NDArray[np.int64], choice: Choice) -> Choice:
        """What serves each place (R,): the choice, or by the serve guard nothing."""
        from orchestrator.decision.choice_prices import served_step

        served = choice.copy()
        for r in rows.tolist():
            served[r] = served_step(self.cost_s[0, r], int(choice[r]), self._guarded)
        return served

    def _gap(self, choice: Choice, queue_s: float, target_s: float) -> float | None:
        """(objective (33) of the choice - that of exact P2) / (that of nothing - exact P2's)."""
        from orchestrator.decision import exact

        prices = SlotPrices(
            weight=self._weight[0],
            cost_s=self.cost_s[0],
            hit=self.hit[0],
            capacity=float(self.problem.places),
            queue_s=queue_s,
            weight_v=self.problem.weight_v,
            target_s=target_s,
        )
        best = np.zeros_like(choice)
        least = exact.solve(prices, np.ones(len(choice)), best)
        nothing = exact.objective(prices, np.zeros_like(choice))
        if nothing - least <= 1e-12:
            return None
        return float((exact.objective(prices, choice) - least) / (nothing - least))
