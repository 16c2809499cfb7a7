"""The learner of a coupled edge (`reactive`): it plans a slot when its requests wait, and changes
the store when the slot has ended.

A slot: `begin_slot` gathers the requests, plans, lets the edge serve them, and trains; `end_slot`
updates Q (23) from what the slot's requests took, and makes the store what plan and carry-over say.
In the simulator a slot has the same order, so that one seed gives the same networks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from midstep.wire.messages_control import CachedOutput, CacheSnapshot, ControlPort, Demand, SlotPlan
from orchestrator.decision.problem import Problem, Served, slot_cost
from orchestrator.live.learner import Learner
from orchestrator.live.slot_decision import Decision
from orchestrator.live.slot_planner import Planned, SlotPlanner, SlotSetting, SlotState
from orchestrator.live.tick_meter import TickMeter
from orchestrator.policies import Policy

__all__ = ["GATHER_SHARE", "Coupled", "ReactiveLearner"]

GATHER_SHARE = 1 / 20  # of a slot, that the edge waits for the slot's requests
WARM_UP_SLOTS = 200  # at most: a learner may train every tenth slot, and wait for a batch
WARM_UP_PROMPTS = 4


@dataclass(frozen=True, kw_only=True)
class Coupled:
    """What the learner of a coupled edge knows beside its problem: the slots' `setting`, their
    length, seconds, and seconds of a tick by batch size, () where there is no profile."""

    setting: SlotSetting
    slot_seconds: float
    tick_s: tuple[float, ...] = ()


class ReactiveLearner(Learner):
    """One price planner, which `make` makes, in charge of one coupled edge. Arguments are as in
    `Learner`."""

    def __init__(
        self,
        make: Callable[[], Policy],
        problem: Problem,
        seed: int,
        control: ControlPort,
        *,
        coupled: Coupled,
        target_s: float | None,
        beside: bool = False,
        edge: str = "edge-0",
    ) -> None:
        super().__init__(
            make,
            problem,
            seed,
            control,
            by_slot=True,
            target_s=target_s,
            beside=beside,
            edge=edge,
        )
        self._coupled = coupled
        self._planner = SlotPlanner(self.policy, problem, coupled.setting)
        self._ticks = TickMeter(coupled.tick_s)
        self._held: tuple[CachedOutput, ...] = ()  # in the store, by the edge's keys
        self._planned: Planned | None = None  # of the slot that goes on

    def start(self) -> None:
        """Nothing to follow: what a slot asks for is gathered when it begins."""

    async def begin_slot(self, slot: int, expected: int) -> None:
        """Gather the slot's requests, plan, and let the edge serve them; then train. Raises
        PolicyFailed, EdgeUnreachable."""
        self._check_tasks()
        wait_s = GATHER_SHARE * self._coupled.slot_seconds
        demand = await self._control.gather(slot, expected, wait_s)
        async with self._turn:  # the slot before is accounted for first
            plan = SlotPlan(slot=slot)  # where nothing is planned, devices make their pictures
            try:
                if demand:
                    plan = self._plan(slot, demand)
            finally:
                await self._control.serve(plan)
        if demand:
            await self._training.begin()

    async def end_slot(self, slot: int, served: list[Served]) -> Decision:
        """Account for a slot, and make the store what its plan says. Raises PolicyFailed,
        EdgeUnreachable."""
        self._check_tasks()
        cost = slot_cost(served)
        async with self._turn:
            await self._sender.reconcile_if_lost()
            before = after = await self._control.snapshot()
            # (33) has Q(t): the queue before this slot's update
            objective = self.virtual_queue.drift_plus_penalty(cost)
            self.virtual_queue.update(cost)
            self._ticks.observe(before.work)
            planned = self._planned
            self._planned = None
            if planned is not None:
                update = self._planner.update(planned, before.store)
                if update:
                    after = await self._sender.store_after(before, update)
            self._held = after.store
        gap = None if planned is None else planned.gap
        return self._account.close_slot(cost, objective, after, gap, self._training.take_stats())

    def _plan(self, slot: int, demand: Sequence[Demand]) -> SlotPlan:
        state = SlotState(
            slot=slot,
            counted=self._slots.enter(slot),
            queue_s=self.virtual_queue.queue_s,
            target_s=self.virtual_queue.target_s,
            edge_step_s=self._ticks.step_s,
        )
        with self._account.timed():
            self._planned = self._planner.plan(demand, self._held, state)
        return self._planned.plan

    def _show(self, snapshot: CacheSnapshot) -> None:
        self._held = snapshot.store
        self._ticks.observe(snapshot.work)
        self._reconcile(snapshot)

    def _known_outputs(self, held: Sequence[CachedOutput]) -> tuple[CachedOutput, ...]:
        return self._planner.known(held)

    def _resize(self, capacity: int) -> None:
        super()._resize(capacity)
        self._planner.resize(capacity)

    def _state(self) -> dict[str, Any]:
        return {**super()._state(), "planner": self._planner.state_dict()}

    def _restore(self, state: Mapping[str, Any]) -> None:
        super()._restore(state)
        self._planner.load_state_dict(state["planner"])

    def _warm_up(self) -> None:
        """Let a second policy plan invented slots until it has trained once."""
        scratch = self._make()
        scratch.reset(self._problem, self._seed)
        setting = self._coupled.setting
        planner = SlotPlanner(scratch, self._problem, setting)
        demand = [
            Demand(
                request_id=prompt,
                prompt_key=prompt,
                prompt=prompt,
                user=0,
                limit=self._problem.steps,
                rate_bps=1e8,
                step_s=3e-3,
            )
            for prompt in setting.prompts[:WARM_UP_PROMPTS]
        ]
        for slot in range(WARM_UP_SLOTS):
            state = SlotState(slot=slot, counted=slot, queue_s=0.1, target_s=0.1, edge_step_s=1e-4)
            planner.update(planner.plan(demand, (), state), ())
            if not scratch.learns or scratch.learn() is not None:
                return
