"""The central learner: owns the policy and the virtual queue, follows the edge's accesses, sends it
its updates.

It reaches the edge through a ControlPort alone. If it dies the edge keeps serving with what it
holds.

A lock (`_turn`) lets one caller at a time use the policy. Long calls (training, packing its state)
run in a thread, after the slot's decision has been answered, while the event loop goes on following
the edge. In virtual time everything is inline.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from midstep.errors import EdgeUnreachable, PolicyFailed, RecordError
from midstep.telemetry.writers import LearnerMetrics
from midstep.wire.messages_control import (
    Access,
    CachedOutput,
    CacheSnapshot,
    CacheUpdate,
    ControlPort,
)
from orchestrator.decision.problem import Problem, Served, VirtualQueue, slot_cost
from orchestrator.live import checkpoint
from orchestrator.live.decision_account import DecisionAccount
from orchestrator.live.policy_thread import PolicyThread
from orchestrator.live.slot_count import SlotCount
from orchestrator.live.slot_decision import Decision
from orchestrator.live.state_schema import check_policy_state, check_state
from orchestrator.live.step_regret import open_regret
from orchestrator.live.training import Training
from orchestrator.live.update_sender import UpdateSender
from orchestrator.live.updates import check_targets, merge, naming
from orchestrator.live.warm_up import warm_up
from orchestrator.policies import Policy, SlotRecord
from orchestrator.policies.kinds.driver import drive

__all__ = ["Learner"]


class Learner:
    """One policy, which `make` makes, in charge of one edge. `by_slot` holds a rule's updates back
    until the slot ends; `beside` lets training run in a thread, beside everything else. Raises
    PolicyFailed."""

    def __init__(
        self,
        make: Callable[[], Policy],
        problem: Problem,
        seed: int,
        control: ControlPort,
        *,
        by_slot: bool,
        target_s: float | None,
        beside: bool = False,
        edge: str = "edge-0",
    ) -> None:
        self._make = make
        self.policy = make()
        with self._named():
            self.policy.reset(problem, seed)
        self._driver = drive(self.policy)
        self._problem = problem
        self._seed = seed
        self.virtual_queue = VirtualQueue(target_s, problem.weight_v)
        self._control = control
        self._by_slot = by_slot
        self._regret = open_regret(problem)
        self._slots = SlotCount()
        self._accesses: list[Access] = []
        self._known: set[str] = set()  # prompts that a run before this one was asked for
        self._pending = CacheUpdate()
        # held by whoever calls the policy, or changes the store that the policy knows of
        self._turn = asyncio.Lock()
        self._following: asyncio.Task[None] | None = None
        metrics = LearnerMetrics(edge)
        self._account = DecisionAccount(self.policy.name, self.virtual_queue, metrics)
        self._sender = UpdateSender(control, problem.several, self._account, self._reconcile)
        self._thread = PolicyThread(beside)
        self._training = Training(self._driver, self._turn, self._thread, metrics)

    def start(self) -> None:
        """Follow the edge's accesses from now on, in a task of this object's."""
        self._following = asyncio.create_task(self._follow(), name="learner-follow")

    async def close(self) -> None:
        """Follow no more; a training that goes on is awaited."""
        if self._following is not None:
            self._following.cancel()
        tasks = [task for task in (self._following, self._training.task) if task is not None]
        await asyncio.gather(*tasks, return_exceptions=True)
        self._thread.close()

    async def checkpoint(self, setting: Mapping[str, Any]) -> bytes:
        """The policy's and the virtual queue's state, for `open`, with the `setting` it is of.
        Raises PolicyFailed."""

        def packed() -> bytes:
            try:
                return checkpoint.pack({**about, "policy": self.policy.state_dict()})
            except Exception as error:
                raise PolicyFailed(
                    f"policy {self.policy.name}: its state cannot be kept: {error}"
                ) from error

        async with self._turn:
            about = {"setting": setting, **self._state()}
            return await self._thread.call(packed)

    async def open(self, saved: bytes | None) -> None:
        """Restore a saved state, if there is one, and show the policy what the edge holds. Raises
        RecordError, PolicyFailed."""
        if self._thread.beside:
            with self._named():
                await self._thread.call(self._warm_up)
        if saved is not None:
            try:
                state = checkpoint.unpack(saved)
                check_state(state)
                check_policy_state(self.policy.state_dict(), state["policy"])
                self._restore(state)
                self.policy.load_state_dict(state["policy"])
            except Exception as error:
                why = error if type(error) is ValueError else repr(error)
                raise RecordError(
                    f"policy {self.policy.name} cannot go on from the state that was kept: {why}"
                ) from error
        self._show(await self._control.snapshot())

    def refresh(self) -> None:
        """The edge has changed without this learner: show the policy its store, and how large it
        is, before it goes on. Raises PolicyFailed."""
        self._check_tasks()
        self._sender.must_reconcile = True

    async def pause(self, wall_s: float) -> None:
        """Do nothing for so long: neither follow, nor plan, nor train."""
        async with self._turn:
            await asyncio.sleep(wall_s)

    async def begin_slot(self, slot: int, expected: int) -> None:
        """Plan the slot that begins, for `expected` requests that are to come at its start: nothing
        to do where slots are planned ahead."""

    def _show(self, snapshot: CacheSnapshot) -> None:
        """Show what the edge holds at the start."""
        self._reconcile(snapshot)
        self._regret.planned((), snapshot, snapshot, self.virtual_queue.queue_s)

    def _warm_up(self) -> None:
        """Import and compile what the policy uses."""
        warm_up(self._make, self._problem, self._seed)

    def _state(self) -> dict[str, Any]:
        """The state beside the policy's, for `_restore`."""
        return {
            "slot": self._slots.last,
            "updates": self._training.updates,
            "known": sorted(self._regret.known.keys | self._known),
            "backlog": self.virtual_queue.state_dict(),
        }

    def _restore(self, state: Mapping[str, Any]) -> None:
        """Go on from there."""
        self.virtual_queue.load_state_dict(state["backlog"])
        self._training.updates = state["updates"]
        self._slots.resume(state["slot"])
        # a plan may name what an earlier run was asked for
        self._known.update(state.get("known", ()))

    async def _follow(self) -> None:
        """Show the policy every access as it happens, for ever."""
        async for access in self._control.watch():
            self._accesses.append(access)
            if not self._driver.acts:
                continue  # a planner sees it at the slot's end, and may be training now
            async with self._turn:
                await self._sender.reconcile_if_lost()
                with self._account.timed():
                    update = self._driver.access(access)
                if self._by_slot:
                    self._pending = merge(self._pending, update)
                elif update:
                    await self._sender.send(update)

    async def end_slot(self, slot: int, served: list[Served]) -> Decision:
        """Account for a slot, plan the next, send the edge what changes. Raises PolicyFailed,
        EdgeUnreachable."""
        self._check_tasks()
        cost = slot_cost(served)
        async with self._turn:  # a training that still runs is awaited: it is one short step
            await self._sender.reconcile_if_lost()
            available = after = await self._control.snapshot()
            # (33) has Q(t): the queue before this slot's update
            objective = self.virtual_queue.drift_plus_penalty(cost)
            queue = self.virtual_queue.update(cost)
            accesses = tuple(self._accesses)
            self._accesses = []
            gap = self._regret.gap(accesses, served)
            ended = SlotRecord(self._slots.enter(slot), accesses, cost, queue, available)
            with self._account.timed():
                planned = self._driver.end_slot(ended)
            check_targets(
                planned,
                ended,
                self.policy.name,
                self._problem.steps,
                self._regret.known.keys,
                self._known,
            )
            update = merge(self._pending, planned)
            self._pending = CacheUpdate()
            if update:
                after = await self._sender.store_after(available, update)
        self._regret.planned(accesses, available, after, queue)
        decision = self._account.close_slot(
            cost, objective, after, gap, self._training.take_stats()
        )
        await self._training.begin()
        return decision

    def _reconcile(self, snapshot: CacheSnapshot) -> None:
        """Show the policy what the store holds, and how much it can hold. Raises PolicyFailed."""
        with self._named():
            if snapshot.capacity != self._problem.capacity:
                self._resize(snapshot.capacity)
            self.policy.reconcile(self._known_outputs(snapshot.store))

    def _known_outputs(self, held: Sequence[CachedOutput]) -> tuple[CachedOutput, ...]:
        """Outputs as the policy knows them."""
        return tuple(held)

    def _resize(self, capacity: int) -> None:
        self._problem = replace(self._problem, capacity=capacity)
        self.policy.resize(capacity)

    def _check_tasks(self) -> None:
        """Restart the following task where the edge was out of reach for a moment. Raises
        PolicyFailed where the policy has failed meanwhile."""
        self._training.check()
        if self._following is None or not self._following.done():
            return
        error = self._following.exception()
        if error is not None and not isinstance(error, EdgeUnreachable):
            raise error
        self._sender.must_reconcile = True
        self.start()

    def _named(self) -> contextlib.AbstractContextManager[None]:
        """Name the policy where it fails."""
        return naming(self.policy.name)
