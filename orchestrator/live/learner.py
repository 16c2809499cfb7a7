"""The central learner: owns the policy and the backlog, follows the edge's accesses, sends it its
edits.

It reaches the edge through a ControlPort alone. If it dies the edge keeps serving with what it
holds.

The policy is spoken to by one at a time. What takes long (training, packing its state) runs in a
thread: the loop goes on following the edge, and the slot's decision has been answered by then. In
virtual time everything is inline.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from midstep.errors import EdgeUnreachable, PolicyFailed, ScenarioError
from midstep.telemetry.metrics import LearnerMetrics
from midstep.wire.messages import Access, CacheSnapshot, CacheUpdate, CacheUpdateResult, ControlPort
from orchestrator import policies
from orchestrator.decision.problem import Problem, Served, SlotCost, VirtualQueue, slot_cost
from orchestrator.live import checkpoint
from orchestrator.live.regret import RegretMeter
from orchestrator.live.warm_up import warm_up
from orchestrator.policies import LearnerStats, Policy, SlotRecord

T = TypeVar("T")


@dataclass(frozen=True)
class Decision:
    """What a slot's end came to. `decision_s` is the policy's own time in the slot, on_access
    included; `stats` are of the training that ended since the slot before, `gap_to_exact` is the
    ended slot's (orchestrator.live.regret)."""

    cost: SlotCost
    queue_s: float
    drift_plus_penalty: float
    admitted: int
    evicted: int
    decision_s: float
    store_bytes: int
    store_entries: int
    stats: LearnerStats | None
    gap_to_exact: float | None


class Learner:
    """One policy in charge of one edge. `by_slot` holds a rule's edits back until the slot ends;
    `beside` lets training run in a thread, beside everything else."""

    def __init__(
        self,
        name: str,
        problem: Problem,
        seed: int,
        control: ControlPort,
        by_slot: bool,
        target_s: float | None,
        beside: bool = False,
        edge: str = "edge-0",
    ) -> None:
        self.policy = policies.find(name)()
        with self._named():
            self.policy.reset(problem, seed)
        self._problem = problem
        self._seed = seed
        self.backlog = VirtualQueue(target_s, problem.weight_v)
        self._control = control
        self._by_slot = by_slot
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="learner") if beside else None
        self._regret = RegretMeter(problem.weight_v)
        self._metrics = LearnerMetrics(edge)
        self._slot: int | None = None  # the last one that was decided, as the policy counts
        self._ahead: int | None = (
            0  # slots that the policy has seen before this run's first; None until that is known
        )
        self._astray = False  # whether the policy may think otherwise of the store than the store
        self._accesses: list[Access] = []
        self._pending = CacheUpdate()
        self._done = CacheUpdateResult()
        self._spent_s = 0.0
        # one at a time speaks to the policy, and changes what it thinks of the store
        self._turn = asyncio.Lock()
        self._following: asyncio.Task[None] | None = None
        self._training: asyncio.Task[None] | None = None
        self._stats: LearnerStats | None = None  # of a training that no slot's row has told yet
        self._updates = 0

    def start(self) -> None:
        """Follow the edge's accesses from now on, in a task of this object's."""
        self._following = asyncio.create_task(self._follow(), name="learner-follow")

    async def close(self) -> None:
        """Follow no more; a training that goes on is awaited."""
        for task in (self._following, self._training):
            if task is self._following and task is not None:
                task.cancel()
            if task is not None:
                await asyncio.gather(task, return_exceptions=True)
        if self._thread is not None:
            self._thread.shutdown(wait=False)

    async def checkpoint(self, setting: Mapping[str, Any]) -> bytes:
        """The policy's and the backlog's state, for `open`, with the `setting` it is of. Raises
        PolicyFailed."""

        def packed() -> bytes:
            try:
                return checkpoint.pack({**about, "policy": self.policy.state_dict()})
            except Exception as error:
                raise PolicyFailed(
                    f"policy {self.policy.name}: its state cannot be kept: {error}"
                ) from error

        async with self._turn:
            about = {"setting": setting, "slot": self._slot, "updates": self._updates}
            about["backlog"] = self.backlog.state_dict()
            return await self._aside(packed)

    async def open(self, saved: bytes | None) -> None:
        """Get ready, from a state on if there is one, with what the edge holds. Raises
        ScenarioError, PolicyFailed."""
        if self._thread is not None:
            with self._named():
                await self._aside(lambda: warm_up(type(self.policy), self._problem, self._seed))
        if saved is not None:
            try:
                state = checkpoint.unpack(saved)
                self.backlog.load_state_dict(state["backlog"])
                self._updates = state["updates"]
                self._slot = state["slot"]
                self._ahead = None
                self.policy.load_state_dict(state["policy"])
            except Exception as error:
                raise ScenarioError(
                    f"policy {self.policy.name} cannot go on from the state that was kept: "
                    f"{error!r}"
                ) from error
        snapshot = await self._control.snapshot()
        self.policy.reconcile(snapshot.store)
        self._regret.planned((), snapshot, snapshot, self.backlog.queue_s)

    async def _follow(self) -> None:
        """Show the policy every access as it happens, for ever."""
        async for access in self._control.watch():
            self._accesses.append(access)
            if type(self.policy).on_access is Policy.on_access:
                continue  # a planner: nothing to wait for while it trains
            async with self._turn:
                await self._align()
                with self._timed():
                    update = checked(self.policy.on_access(access))
                if self._by_slot:
                    self._pending = merge(self._pending, update)
                elif update:
                    await self._apply(update)

    async def end_slot(self, slot: int, served: list[Served]) -> Decision:
        """Account for a slot, plan the next, send the edge what changes. Raises PolicyFailed,
        EdgeUnreachable."""
        self._check_tasks()
        cost = slot_cost(served)
        async with self._turn:  # a training that is late is awaited here: it is one short step
            await self._align()
            available = after = await self._control.snapshot()
            objective = self.backlog.drift_plus_penalty(cost)  # with Q(t): before it is updated
            queue = self.backlog.update(cost)
            accesses = tuple(self._accesses)
            self._accesses = []
            gap = self._regret.gap(accesses, served)
            self._slot = self._policys(slot)
            with self._timed():
                planned = checked(
                    self.policy.plan(SlotRecord(self._slot, accesses, cost, queue, available))
                )
            update = merge(self._pending, planned)
            self._pending = CacheUpdate()
            if update:
                await self._apply(update)
                after = await self._control.snapshot()
        self._regret.planned(accesses, available, after, queue)
        decision = self._decided(cost, objective, after, gap)
        await self._begin_training()
        return decision

    def _policys(self, slot: int) -> int:
        """The slot as the policy counts: a resumed run goes on counting, since time must not run
        backwards for what was counted; a learner that takes over in mid-run finds the run's own
        count ahead of its state's."""
        if self._ahead is None:
            self._ahead = max(0, (-1 if self._slot is None else self._slot) + 1 - slot)
        return slot + self._ahead

    async def _align(self) -> None:
        """Tell the policy what the store really holds, where an edit was lost or accesses were
        missed."""
        if self._astray:
            self.policy.reconcile((await self._control.snapshot()).store)
            self._astray = False

    def _check_tasks(self) -> None:
        """Follow again where the edge was out of reach for a moment; a policy that failed is
        told."""
        if self._training is not None and self._training.done():
            self._training.result()
        if self._following is None or not self._following.done():
            return
        error = self._following.exception()
        if error is not None and not isinstance(error, EdgeUnreachable):
            raise error
        self._astray = True
        self.start()

    async def _begin_training(self) -> None:
        """One step of training: now in virtual time, else beside, after the slot's answer."""
        if type(self.policy).learn is Policy.learn:
            return
        if self._thread is None:
            await self._train()
        else:
            self._training = asyncio.create_task(self._train(), name="learner-train")

    async def _train(self) -> None:
        """Let the policy learn; what it says of it goes into the next slot's row."""

        def learn() -> LearnerStats | None:
            with self._named():
                return self.policy.learn()

        async with self._turn:
            stats = await self._aside(learn)
        if stats is not None:
            self._metrics.trained(stats.loss, stats.k, stats.updates - self._updates)
            self._stats = LearnerStats(float(stats.loss), int(stats.k), int(stats.updates))
            self._updates = stats.updates

    async def _aside(self, call: Callable[[], T]) -> T:
        """Run in the thread where there is one, else here."""
        if self._thread is None:
            return call()
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)

    async def _apply(self, update: CacheUpdate) -> None:
        try:
            result = await self._control.apply(update)
        except EdgeUnreachable:
            self._astray = True
            raise
        if result.refused or result.evicted < len(update.evict):
            self.policy.reconcile((await self._control.snapshot()).store)
        self._done = CacheUpdateResult(
            self._done.admitted + result.admitted,
            self._done.evicted + result.evicted,
            self._done.refused + result.refused,
        )

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

    @contextlib.contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            raise PolicyFailed(
                f"policy {self.policy.name} failed: {type(error).__name__}: {error}"
            ) from error

    def _decided(
        self, cost: SlotCost, objective: float, snapshot: CacheSnapshot, gap: float | None
    ) -> Decision:
        done = self._done
        self._done = CacheUpdateResult()
        spent = self._spent_s
        self._spent_s = 0.0
        stats = self._stats
        self._stats = None
        self._metrics.slot(self.backlog.queue_s, cost.latency_avg_s, objective, gap)
        return Decision(
            cost,
            self.backlog.queue_s,
            objective,
            done.admitted,
            done.evicted,
            spent,
            snapshot.store_bytes,
            len(snapshot.store),
            stats,
            gap,
        )


def checked(update: object) -> CacheUpdate:
    """What a policy answered, if it is a cache update. Raises TypeError: policies are other people's
    code."""
    if not isinstance(update, CacheUpdate):
        raise TypeError(f"it answered {update!r}, which is no CacheUpdate")
    return update


def merge(first: CacheUpdate, then: CacheUpdate) -> CacheUpdate:
    """One edit that does what two in a row would: what the second lets go, the first need not
    admit."""
    admit = {key: step for key, step in first.admit if key not in then.evict} | dict(then.admit)
    evict = dict.fromkeys(
        [*first.evict, *(key for key in then.evict if key not in dict(first.admit))]
    )
    return CacheUpdate(tuple(admit.items()), tuple(evict))
