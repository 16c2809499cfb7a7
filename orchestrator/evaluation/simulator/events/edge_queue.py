"""The contended edge: jobs in a bounded queue, and ticks that advance all in flight by one step."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from midstep.diffusion.profile import StepProfile
from orchestrator.evaluation.simulator.events.asking import Asking

__all__ = ["EdgeQueue", "Job"]


@dataclass(slots=True, eq=False, kw_only=True)
class Job:
    """An output to be computed from noise, `steps` of them left, and who waits for it, the one it
    was begun for first. It is dropped where nobody waits any more."""

    key: str
    prompt: str
    private: bool
    steps: int
    queued_s: float
    started_s: float = 0.0
    waiting: list[Asking] = field(default_factory=list)
    dropped: bool = False


class EdgeQueue:
    """Requests join and leave between ticks, first come first served, at most `max_batch` in
    flight; `limit` may wait for their first tick. A tick takes the profile's time of its batch, and
    one encoding for each job that joins."""

    def __init__(self, profile: StepProfile, max_batch: int, limit: int) -> None:
        self.limit = limit
        self._max_batch = max_batch
        self._tick_s = [0.0, *(profile.step(batch) for batch in range(1, max_batch + 1))]
        self._encode_s = profile.encode_s
        self._queue: deque[Job] = deque()
        self._batch: list[Job] = []
        self.ticking = False

    @property
    def waiting(self) -> int:
        """Jobs that wait for their first tick."""
        return len(self._queue)

    @property
    def in_flight(self) -> int:
        """Jobs in the running batch."""
        return len(self._batch)

    def join(self, job: Job) -> bool:
        """Let a job wait; False where the queue is full."""
        if len(self._queue) >= self.limit:
            return False
        self._queue.append(job)
        return True

    def drop(self, job: Job) -> None:
        """Nobody waits for a job any more: it leaves the queue at once, or the batch at the next
        tick."""
        job.dropped = True
        if job in self._queue:
            self._queue.remove(job)

    def begin(self, now_s: float) -> float | None:
        """Begin a tick; its seconds, or None where there is nothing to do."""
        batch = [job for job in self._batch if not job.dropped]
        joining = 0
        while self._queue and len(batch) < self._max_batch:
            job = self._queue.popleft()
            job.started_s = now_s
            batch.append(job)
            joining += 1
        self._batch = batch
        self.ticking = bool(batch)
        return self._tick_s[len(batch)] + joining * self._encode_s if batch else None

    def end(self) -> list[Job]:
        """End the tick; the jobs whose outputs are ready, without those that were dropped in it."""
        ready: list[Job] = []
        staying: list[Job] = []
        for job in self._batch:
            job.steps -= 1
            (staying if job.steps else ready).append(job)
        self._batch = staying
        return [job for job in ready if not job.dropped]
