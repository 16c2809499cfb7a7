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
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, TypeVar

from midstep.errors import EdgeUnreachable, PolicyFailed, RecordError
from midstep.telemetry.writers import LearnerMetrics
from midstep.wire.messages_control import (
    Access,
    CachedOutput,
    CacheSnapshot,
    CacheUpdate,
    CacheUpdateResult,
    ControlPort,
)
from orchestrator.decision.cache_model import CacheModel, is_whole
from orchestrator.decision.problem import Problem, Served, SlotCost, VirtualQueue, slot_cost
from orchestrator.live import checkpoint
from orchestrator.live.slot_decision import Decision
from orchestrator.live.state_schema import check_policy_state, check_state
from orchestrator.live.step_regret import open_regret
from orchestrator.live.updates import check_targets, merge, naming
from orchestrator.live.warm_up import warm_up
from orchestrator.policies import LearnerStats, Policy, SlotRecord
from orchestrator.policies.kinds.driver import drive

__all__ = ["Learner"]

T = TypeVar("T")
MOST_COUNT = 2**63  # of what the record's columns hold


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
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="learner") if beside else None
        self._regret = open_regret(problem)
        self._metrics = LearnerMetrics(edge)
        self._slot: int | None = None  # the last one that was decided, as the policy counts
        # slots that the policy has seen before this run's first; None until that is known
        self._earlier_slots: int | None = 0
        # an update or accesses were lost: the policy has to be shown the store before it goes on
        self._must_reconcile = False
        self._accesses: list[Access] = []
        self._known: set[str] = set()  # prompts that a run before this one was asked for
        self._pending = CacheUpdate()
        self._done = CacheUpdateResult()
        self._spent_s = 0.0
        # held by whoever calls the policy, or changes the store that the policy knows of
        self._turn = asyncio.Lock()
        self._following: asyncio.Task[None] | None = None
        self._training: asyncio.Task[None] | None = None
        self._stats: LearnerStats | None = None  # of a training that no slot's row has yet
        self._updates = 0

    def start(self) -> None:
        """Follow the edge's accesses from now on, in a task of this object's."""
        self._following = asyncio.create_task(self._follow(), name="learner-follow")

    async def close(self) -> None:
        """Follow no more; a training that goes on is awaited."""
        if self._following is not None:
            self._following.cancel()
        tasks = [task for task in (self._following, self._training) if task is not None]
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._thread is not None:
            self._thread.shutdown(wait=False)

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
            return await self._aside(packed)

    async def open(self, saved: bytes | None) -> None:
        """Restore a saved state, if there is one, and show the policy what the edge holds. Raises
        RecordError, PolicyFailed."""
        if self._thread is not None:
            with self._named():
                await self._aside(self._warm_up)
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
        self._must_reconcile = True

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
            "slot": self._slot,
            "updates": self._updates,
            "known": sorted(self._regret.known.keys | self._known),
            "backlog": self.virtual_queue.state_dict(),
        }

    def _restore(self, state: Mapping[str, Any]) -> None:
        """Go on from there."""
        self.virtual_queue.load_state_dict(state["backlog"])
        self._updates = state["updates"]
        self._slot = state["slot"]
        self._earlier_slots = None
        # a plan may name what an earlier run was asked for
        self._known.update(state.get("known", ()))

    async def _follow(self) -> None:
        """Show the policy every access as it happens, for ever."""
        async for access in self._control.watch():
            self._accesses.append(access)
            if not self._driver.acts:
                continue  # a planner sees it at the slot's end, and may be training now
            async with self._turn:
                await self._reconcile_if_lost()
                with self._timed():
                    update = self._driver.access(access)
                if self._by_slot:
                    self._pending = merge(self._pending, update)
                elif update:
                    await self._apply(update)

    async def end_slot(self, slot: int, served: list[Served]) -> Decision:
        """Account for a slot, plan the next, send the edge what changes. Raises PolicyFailed,
        EdgeUnreachable."""
        self._check_tasks()
        cost = slot_cost(served)
        async with self._turn:  # a training that still runs is awaited: it is one short step
            await self._reconcile_if_lost()
            available = after = await self._control.snapshot()
            # (33) has Q(t): the queue before this slot's update
            objective = self.virtual_queue.drift_plus_penalty(cost)
            queue = self.virtual_queue.update(cost)
            accesses = tuple(self._accesses)
            self._accesses = []
            gap = self._regret.gap(accesses, served)
            self._slot = self._policy_slot(slot)
            ended = SlotRecord(self._slot, accesses, cost, queue, available)
            with self._timed():
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
                after = await self._store_after(available, update)
        self._regret.planned(accesses, available, after, queue)
        decision = self._decided(cost, objective, after, gap)
        await self._begin_training()
        return decision

    def _policy_slot(self, slot: int) -> int:
        """The run's slot as the policy counts. A policy that goes on from an earlier run's state
        counts that run's slots too, so that its time never runs backwards; one that takes over
        within a run is behind the run's own count, and follows it."""
        if self._earlier_slots is None:
            decided = 0 if self._slot is None else self._slot + 1
            self._earlier_slots = max(0, decided - slot)
        return slot + self._earlier_slots

    async def _reconcile_if_lost(self) -> None:
        """Show the policy the store, where an update was lost or accesses were missed."""
        if self._must_reconcile:
            self._reconcile(await self._control.snapshot())
            self._must_reconcile = False

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

    async def _store_after(self, before: CacheSnapshot, update: CacheUpdate) -> CacheSnapshot:
        """Apply an update and return what the edge then has: computed by the model of its cache,
        fetched only where the edge's answer differs from the model's."""
        model = CacheModel.of(before, self._problem.several)
        result = await self._apply(update)
        if model.apply(update) == result:
            return model.snapshot()
        return await self._control.snapshot()

    def _check_tasks(self) -> None:
        """Restart the following task where the edge was out of reach for a moment. Raises
        PolicyFailed where the policy has failed meanwhile."""
        if self._training is not None and self._training.done():
            self._training.result()
        if self._following is None or not self._following.done():
            return
        error = self._following.exception()
        if error is not None and not isinstance(error, EdgeUnreachable):
            raise error
        self._must_reconcile = True
        self.start()

    async def _begin_training(self) -> None:
        """Start one step of training: inline in virtual time, else in a task of its own."""
        if not self._driver.learns:
            return
        if self._thread is None:
            await self._train()
        else:
            self._training = asyncio.create_task(self._train(), name="learner-train")

    async def _train(self) -> None:
        """Let the policy learn; the statistics go into the next slot's row."""

        def learn() -> LearnerStats | None:
            with self._named():
                stats = self._driver.learn()
                return None if stats is None else _plausible(stats)

        async with self._turn:
            stats = await self._aside(learn)
        if stats is not None:
            self._metrics.trained(stats.loss, stats.k, stats.updates - self._updates)
            self._stats = stats
            self._updates = stats.updates

    async def _aside(self, call: Callable[[], T]) -> T:
        """Run in the thread where there is one, else here."""
        if self._thread is None:
            return call()
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)

    async def _apply(self, update: CacheUpdate) -> CacheUpdateResult:
        """Send an update, and show the policy the store where a part could not be carried out."""
        try:
            result = await self._control.apply(update)
        except EdgeUnreachable:
            self._must_reconcile = True
            raise
        if not is_whole(update, result, self._problem.several):
            self._reconcile(await self._control.snapshot())
        self._done += result
        if (targets := update.targets) is not None:
            wanted = sum(bool(key) for key, _ in targets.steps)  # "": all that are not named
            self._metrics.targets(wanted, targets.step_price_s)
        return result

    @contextlib.contextmanager
    def _timed(self) -> Iterator[None]:
        """Time the policy, and name it where it fails."""
        began = time.perf_counter()
        try:
            with self._named():
                yield
        finally:
            spent = time.perf_counter() - began
            self._spent_s += spent
            self._metrics.spent(spent)

    def _named(self) -> contextlib.AbstractContextManager[None]:
        """Name the policy where it fails."""
        return naming(self.policy.name)

    def _decided(
        self, cost: SlotCost, objective: float, snapshot: CacheSnapshot, gap: float | None
    ) -> Decision:
        done = self._done
        spent = self._spent_s
        self._done = CacheUpdateResult()
        self._spent_s = 0.0
        stats = self._stats
        self._stats = None
        self._metrics.slot(self.virtual_queue.queue_s, cost.latency_avg_s, objective, gap)
        return Decision(
            cost=cost,
            queue_s=self.virtual_queue.queue_s,
            drift_plus_penalty=objective,
            admitted=done.admitted,
            evicted=done.evicted,
            decision_s=spent,
            store_bytes=snapshot.store_bytes,
            store_entries=len(snapshot.store),
            stats=stats,
            gap_to_exact=gap,
        )


def _plausible(stats: LearnerStats) -> LearnerStats:
    """The statistics as the record's columns hold them. Raises ValueError where they cannot."""
    plain = LearnerStats(float(stats.loss), int(stats.k), int(stats.updates))
    if not max(abs(plain.k), abs(plain.updates)) < MOST_COUNT:
        raise ValueError("its statistics have a k or updates of more than 63 bits")
    return plain
