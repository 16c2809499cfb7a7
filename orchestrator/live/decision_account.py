"""The account of a slot's decision while the slot goes on: the policy's own time, and what its
updates have changed."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from midstep.telemetry.writers import LearnerMetrics
from midstep.wire.messages_control import CacheSnapshot, CacheUpdate, CacheUpdateResult
from orchestrator.decision.problem import SlotCost, VirtualQueue
from orchestrator.live.slot_decision import Decision
from orchestrator.live.updates import naming
from orchestrator.policies import LearnerStats

__all__ = ["DecisionAccount"]


class DecisionAccount:
    """Adds up what one slot after the other has had of a policy, in charge of the virtual
    `queue`."""

    def __init__(self, policy: str, queue: VirtualQueue, metrics: LearnerMetrics) -> None:
        self._policy = policy
        self._queue = queue
        self._metrics = metrics
        self._changes = CacheUpdateResult()
        self._spent_s = 0.0

    @contextlib.contextmanager
    def timed(self) -> Iterator[None]:
        """Time the policy, and name it where it fails. Raises PolicyFailed."""
        began = time.perf_counter()
        try:
            with naming(self._policy):
                yield
        finally:
            spent = time.perf_counter() - began
            self._spent_s += spent
            self._metrics.spent(spent)

    def applied(self, update: CacheUpdate, result: CacheUpdateResult) -> None:
        """Enter what an update has changed, and its targets."""
        self._changes += result
        if (targets := update.targets) is not None:
            wanted = sum(bool(key) for key, _ in targets.steps)  # "": all that are not named
            self._metrics.targets(wanted, targets.step_price_s)

    def close_slot(
        self,
        cost: SlotCost,
        objective: float,
        snapshot: CacheSnapshot,
        gap: float | None,
        stats: LearnerStats | None,
    ) -> Decision:
        """The decision of the slot that ends, of which `snapshot` is what the edge then has; the
        account begins anew."""
        changes = self._changes
        spent = self._spent_s
        self._changes = CacheUpdateResult()
        self._spent_s = 0.0
        self._metrics.slot(self._queue.queue_s, cost.latency_avg_s, objective, gap)
        return Decision(
            cost=cost,
            queue_s=self._queue.queue_s,
            drift_plus_penalty=objective,
            admitted=changes.admitted,
            evicted=changes.evicted,
            decision_s=spent,
            store_bytes=snapshot.store_bytes,
            store_entries=len(snapshot.store),
            stats=stats,
            gap_to_exact=gap,
        )
