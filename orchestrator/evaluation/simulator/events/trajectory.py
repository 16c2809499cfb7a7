"""An output on its way at the edge: who waits for it, where each leaves, who pays for its steps."""

from __future__ import annotations

from dataclasses import dataclass, field

from orchestrator.evaluation.simulator.events.asking import Asking

__all__ = ["Passenger", "Trajectory"]


@dataclass(slots=True, eq=False, kw_only=True)
class Passenger:
    """A request that joined a trajectory, and the step at which it leaves. `gone` is whether it has
    given up: then it pays for nothing."""

    one: Asking
    cut: int
    gone: bool = False


@dataclass(slots=True, eq=False, kw_only=True)
class Trajectory:
    """Steps `start` + 1 (0: from noise) to `until` of one output; the ticks of those up to `step`
    have ended. It is dropped where nobody waits any more."""

    key: str
    prompt: str
    private: bool
    start: int
    until: int
    queued_s: float
    step: int
    started_s: float = 0.0
    joined: list[Passenger] = field(default_factory=list)  # in order
    waiting: list[Passenger] = field(default_factory=list)  # of these
    dropped: bool = False

    def join(self, passenger: Passenger) -> None:
        """Let a request wait for its cut; the trajectory goes as far as that."""
        self.joined.append(passenger)
        self.waiting.append(passenger)
        self.until = max(self.until, passenger.cut)

    def leave(self, passenger: Passenger) -> None:
        """A request gives up: the trajectory goes as far as the others need it, and no further."""
        passenger.gone = True
        self.waiting.remove(passenger)
        self.until = max((one.cut for one in self.waiting), default=self.step)

    def ready(self) -> list[Passenger]:
        """Take those who leave at the step that has just been done, in order."""
        leaving = [one for one in self.waiting if one.cut <= self.step]
        self.waiting = [one for one in self.waiting if one.cut > self.step]
        return leaving

    def charge(self, passenger: Passenger) -> int:
        """The computed steps that a request was the first to need."""
        needed = self.start
        for one in self.joined:
            if one is passenger:
                break
            if not one.gone:
                needed = max(needed, one.cut)
        return max(0, passenger.cut - needed)
