"""A job of the engine: what its caller gives, what the engine keeps of it, what it becomes."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from midstep.diffusion.denoise import Trajectory

__all__ = ["Job", "JobEntry", "Outcome", "StopsOnTheWay"]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Job(Protocol[T_co]):
    """One trajectory's work. Both methods run where the denoiser computes, between two ticks."""

    def begin(self) -> Trajectory:
        """The trajectory to advance to its `until`."""

    def finish(self, trajectory: Trajectory) -> T_co:
        """The job's result, made of the advanced trajectory."""


class StopsOnTheWay(ABC):
    """A job that is told when its trajectory has come to one of its `stops`, and has no result
    beside what it makes of them. `stops` are the steps for which `reached` is called.

    Its trajectory ends where its `until` is at the end of a tick. These methods are called in the
    event loop.
    """

    stops: set[int]

    @abstractmethod
    def entered(self) -> None:
        """Called when its first tick begins, before `begin`."""

    @abstractmethod
    def reached(self, step: int) -> None:
        """Called at the end of the tick that computed `step`."""


@dataclass(frozen=True)
class Outcome(Generic[T]):
    """A job's result, and its scenario seconds in the queue."""

    value: T
    queue_s: float


@dataclass(eq=False, slots=True, kw_only=True)
class JobEntry:
    """A job in the engine; it has a trajectory from its first tick on."""

    job: Job[Any]
    future: asyncio.Future[Any]
    queued_at: float
    on_the_way: StopsOnTheWay | None
    started_at: float = 0.0
    trajectory: Trajectory | None = None
    value: Any = None
    error: BaseException | None = None

    def settle(self) -> None:
        """Give the job's result or error to its caller, unless the caller was cancelled."""
        if self.future.done():
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(Outcome(self.value, self.started_at - self.queued_at))
