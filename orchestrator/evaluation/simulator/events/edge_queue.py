"""The contended edge: trajectories in a bounded queue, and ticks that advance all in flight by one
step."""

from __future__ import annotations

from collections import deque

from midstep.diffusion.profile import StepProfile
from midstep.wire.messages_control import EdgeWork
from orchestrator.evaluation.simulator.events.trajectory import Trajectory

__all__ = ["EdgeQueue"]


class EdgeQueue:
    """Trajectories enter and leave between ticks, first come first served, at most `max_batch` in
    flight; `limit` may wait for their first tick. A tick takes the profile's time of its batch,
    `tick_s[batch]`, and one encoding for each trajectory that enters."""

    def __init__(self, profile: StepProfile, max_batch: int, limit: int) -> None:
        self.limit = limit
        self.max_batch = max_batch
        self.tick_s = (0.0, *(profile.step(batch) for batch in range(1, max_batch + 1)))
        self._encode_s = profile.encode_s
        self._queue: deque[Trajectory] = deque()
        self._batch: list[Trajectory] = []
        self._began_s = 0.0
        self._busy_s = 0.0
        self._ticks = 0
        self._steps = 0
        self.ticking = False

    @property
    def waiting(self) -> int:
        """Trajectories that wait for their first tick."""
        return len(self._queue)

    @property
    def in_flight(self) -> int:
        """Trajectories in the running batch."""
        return len(self._batch)

    def work(self, now_s: float) -> EdgeWork:
        """What has been computed, in ticks that have ended, and what is before the edge now."""
        return EdgeWork(
            at_s=now_s,
            busy_s=self._busy_s,
            ticks=self._ticks,
            steps=self._steps,
            queue=self.waiting,
            in_flight=self.in_flight,
        )

    def enter(self, trajectory: Trajectory) -> bool:
        """Let a trajectory wait; False where the queue is full."""
        if len(self._queue) >= self.limit:
            return False
        self._queue.append(trajectory)
        return True

    def drop(self, trajectory: Trajectory) -> None:
        """Nobody waits for a trajectory any more: it leaves the queue at once, or the batch at the
        next tick."""
        if trajectory in self._queue:
            self._queue.remove(trajectory)

    def clear(self) -> None:
        """Nobody waits for anything any more."""
        self._queue.clear()

    def begin(self, now_s: float) -> float | None:
        """Begin a tick; its seconds, or None where there is nothing to do."""
        batch = [one for one in self._batch if not one.over]
        entering = 0
        while self._queue and len(batch) < self.max_batch:
            one = self._queue.popleft()
            one.started_s = now_s
            batch.append(one)
            entering += 1
        self._batch = batch
        self._began_s = now_s
        self.ticking = bool(batch)
        return self.tick_s[len(batch)] + entering * self._encode_s if batch else None

    def end(self, now_s: float) -> list[Trajectory]:
        """End the tick: those that were in it, each to be advanced."""
        self._busy_s += now_s - self._began_s
        self._ticks += 1
        self._steps += len(self._batch)
        return self._batch
