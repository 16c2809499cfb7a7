"""The central learner: owns the policy and the backlog, follows the edge's accesses, sends it its edits.

It reaches the edge through a ControlPort alone. If it dies the edge keeps serving with what it holds.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass

from midstep.errors import PolicyFailed
from midstep.metrics import gauge, histogram
from midstep.wire import Access, Contents, ControlPort, Edit, EditResult
from orchestrator import policies
from orchestrator.policies import LearnerStats, SlotRecord
from orchestrator.problem import Backlog, Problem, Served, SlotCost, slot_cost


@dataclass(frozen=True)
class Decision:
    """What a slot's end came to. `decision_s` is the policy's own time in the slot, on_access included."""

    cost: SlotCost
    queue_s: float
    drift_plus_penalty: float
    admitted: int
    evicted: int
    decision_s: float
    store_bytes: int
    store_entries: int
    stats: LearnerStats | None


class Learner:
    """One policy in charge of one edge. `by_slot` holds a rule's edits back until the slot ends."""

    def __init__(
        self,
        name: str,
        problem: Problem,
        seed: int,
        control: ControlPort,
        by_slot: bool,
        target_s: float | None,
    ) -> None:
        self.policy = policies.find(name)()
        self.policy.reset(problem, seed)
        self.backlog = Backlog(target_s)
        self._control, self._by_slot = control, by_slot
        self._accesses: list[Access] = []
        self._pending = Edit()
        self._done = EditResult()
        self._spent_s = 0.0
        self._applying = asyncio.Lock()  # what the policy thinks of the store changes with one edit at a time
        self._following: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Follow the edge's accesses from now on, in a task of this object's."""
        self._following = asyncio.create_task(self._follow(), name="learner-follow")

    async def close(self) -> None:
        """Follow no more."""
        if self._following is not None:
            self._following.cancel()
            await asyncio.gather(self._following, return_exceptions=True)

    async def _follow(self) -> None:
        """Show the policy every access as it happens, for ever."""
        async for access in self._control.watch():
            self._accesses.append(access)
            async with self._applying:
                with self._timed():
                    edit = self.policy.on_access(access)
                if self._by_slot:
                    self._pending = merge(self._pending, edit)
                elif edit:
                    await self._apply(edit)

    async def end_slot(self, slot: int, served: list[Served]) -> Decision:
        """Account for a slot, plan the next, send the edge what changes. Raises PolicyFailed, EdgeUnreachable."""
        self._check_following()
        cost = slot_cost(served)
        queue = self.backlog.update(cost)
        accesses, self._accesses = tuple(self._accesses), []
        async with self._applying:
            available = after = await self._control.contents()
            with self._timed():
                planned = self.policy.plan(SlotRecord(slot, accesses, cost, queue, available))
            edit, self._pending = merge(self._pending, planned), Edit()
            if edit:
                await self._apply(edit)
                after = await self._control.contents()
        return self._decided(cost, after)

    def _check_following(self) -> None:
        """Follow again where the edge was out of reach for a moment; a policy that failed is told."""
        if self._following is None or not self._following.done():
            return
        error = self._following.exception()
        if isinstance(error, PolicyFailed):
            raise error
        self.start()

    async def _apply(self, edit: Edit) -> None:
        result = await self._control.apply(edit)
        if result.refused or result.evicted < len(edit.evict):
            self.policy.reconcile((await self._control.contents()).store)
        self._done = EditResult(
            self._done.admitted + result.admitted,
            self._done.evicted + result.evicted,
            self._done.refused + result.refused,
        )

    @contextlib.contextmanager
    def _timed(self) -> Iterator[None]:
        """Time the policy, and name it where it fails."""
        began = time.perf_counter()
        try:
            yield
        except Exception as error:
            raise PolicyFailed(f"policy {self.policy.name} failed: {type(error).__name__}: {error}") from error
        finally:
            self._spent_s += time.perf_counter() - began
            histogram("decision_seconds").observe(time.perf_counter() - began)

    def _decided(self, cost: SlotCost, contents: Contents) -> Decision:
        done, self._done = self._done, EditResult()
        spent, self._spent_s = self._spent_s, 0.0
        objective = self.backlog.drift_plus_penalty(cost)
        gauge("backlog_seconds").set(self.backlog.queue_s)
        gauge("slot_latency_seconds").set(cost.latency_avg_s)
        gauge("drift_plus_penalty").set(objective)
        return Decision(
            cost, self.backlog.queue_s, objective, done.admitted, done.evicted, spent,
            contents.store_bytes, len(contents.store), self.policy.learn(),
        )  # fmt: skip


def merge(first: Edit, then: Edit) -> Edit:
    """One edit that does what two in a row would: what the second lets go, the first need not admit."""
    admit = {key: step for key, step in first.admit if key not in then.evict} | dict(then.admit)
    evict = dict.fromkeys([*first.evict, *(key for key in then.evict if key not in dict(first.admit))])
    return Edit(tuple(admit.items()), tuple(evict))
