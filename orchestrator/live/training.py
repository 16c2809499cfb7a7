"""Training of a policy, a step after a slot's decision: in a task of its own, or inline in virtual
time."""

from __future__ import annotations

import asyncio

from midstep.telemetry.writers import LearnerMetrics
from orchestrator.live.policy_thread import PolicyThread
from orchestrator.live.updates import naming
from orchestrator.policies import LearnerStats
from orchestrator.policies.kinds.driver import Driver

__all__ = ["Training"]

MOST_COUNT = 2**63  # of what the record's columns hold


class Training:
    """Lets the policy of a `driver` learn, in its `thread`, while it holds `turn`. `updates` are
    those that the policy has had in all; `task` is of the step that was begun last."""

    def __init__(
        self, driver: Driver, turn: asyncio.Lock, thread: PolicyThread, metrics: LearnerMetrics
    ) -> None:
        self.updates = 0
        self.task: asyncio.Task[None] | None = None
        self._driver = driver
        self._turn = turn
        self._thread = thread
        self._metrics = metrics
        self._stats: LearnerStats | None = None  # of a training that no slot's row has yet

    async def begin(self) -> None:
        """Start one step of training: inline in virtual time, else in a task of its own."""
        if not self._driver.learns:
            return
        if self._thread.beside:
            self.task = asyncio.create_task(self._train(), name="learner-train")
        else:
            await self._train()

    def check(self) -> None:
        """Raise PolicyFailed where the policy has failed in a step that has ended."""
        if self.task is not None and self.task.done():
            self.task.result()

    def take_stats(self) -> LearnerStats | None:
        """Statistics of a step that has ended since the last call."""
        stats = self._stats
        self._stats = None
        return stats

    async def _train(self) -> None:
        """Let the policy learn; the statistics go into the next slot's row."""

        def learn() -> LearnerStats | None:
            with naming(self._driver.policy.name):
                stats = self._driver.learn()
                return None if stats is None else _plausible(stats)

        async with self._turn:
            stats = await self._thread.call(learn)
        if stats is not None:
            self._metrics.trained(stats.loss, stats.k, stats.updates - self.updates)
            self._stats = stats
            self.updates = stats.updates


def _plausible(stats: LearnerStats) -> LearnerStats:
    """The statistics as the record's columns hold them. Raises ValueError where they cannot."""
    plain = LearnerStats(float(stats.loss), int(stats.k), int(stats.updates))
    if not max(abs(plain.k), abs(plain.updates)) < MOST_COUNT:
        raise ValueError("its statistics have a k or updates of more than 63 bits")
    return plain
