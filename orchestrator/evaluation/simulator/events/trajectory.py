"""An output on its way at the edge: who waits for it, where each leaves, who pays for its steps."""

from __future__ import annotations

from dataclasses import dataclass, field

from midstep.wire.messages_control import CachedOutput
from orchestrator.evaluation.simulator.events.asking import Asking

__all__ = ["Passenger", "Trajectory"]


@dataclass(slots=True, eq=False, kw_only=True)
class Passenger:
    """A request that joined a trajectory, and the step at which it leaves."""

    one: Asking
    cut: int


@dataclass(slots=True, eq=False, kw_only=True)
class Trajectory:
    """Steps `start` + 1 (0: from noise) to `until` of one output; the ticks of those up to `step`
    have ended. Where the plan wants it frozen is its `target`, 0: nowhere. It is `original` where
    its outputs are the prompt's own, and everybody's: others serve nobody else. It is `over` where
    nobody waits any more: then it leaves the batch at the next tick."""

    output: CachedOutput  # its key, prompt and bytes; the step that it was begun from
    original: bool
    target: int
    queued_s: float
    step: int
    until: int
    started_s: float | None = None  # its first tick
    passengers: list[Passenger] = field(default_factory=list)  # who have not given up, in order
    waiting: list[Passenger] = field(default_factory=list)  # of these, who have no output yet
    frozen: set[int] = field(default_factory=set)  # steps that have been in staging, or the store
    over: bool = False

    @property
    def key(self) -> str:
        return self.output.prompt_key

    @property
    def start(self) -> int:
        """The held step that it went on from, 0: noise."""
        return self.output.step

    def gives(self, limit: int) -> bool:
        """Whether a request with this limit could join: it is not behind all that there is."""
        return self.step < limit or self._furthest(limit) > 0

    def serves(self, cut: int, limit: int) -> int | None:
        """The step at which a request that joined now would leave: its cut, or where that has been
        passed the furthest step within its limit; None where there is none."""
        if cut > self.step:
            return cut
        furthest = self._furthest(limit)
        return furthest if furthest >= cut else None

    def _furthest(self, limit: int) -> int:
        """The furthest step within a limit that is there, be it the held one that it went on from;
        0: none."""
        return step if (step := min(limit, self.step)) >= self.start else 0

    def join(self, passenger: Passenger) -> None:
        """Let a request leave at a step that `serves` has named."""
        self.passengers.append(passenger)
        if passenger.cut > self.step:
            self.waiting.append(passenger)
            self.until = max(self.until, passenger.cut)

    def leave(self, passenger: Passenger) -> None:
        """A request gives up: the trajectory goes as far as the others need, and no further."""
        self.passengers.remove(passenger)
        self.waiting.remove(passenger)
        if self.waiting:
            self.until = max(one.cut for one in self.waiting)
        else:
            self.over = True

    def advance(self) -> list[Passenger]:
        """A tick has ended; returns who leaves at the step that it computed, in order."""
        self.step += 1
        leaving = [one for one in self.waiting if one.cut <= self.step]
        self.waiting = [one for one in self.waiting if one.cut > self.step]
        if not self.waiting:
            self.over = True
        return leaving

    def edge_steps(self, passenger: Passenger) -> int:
        """The computed steps that a request was the first to need."""
        needed = self.start
        for one in self.passengers:
            if one is passenger:
                break
            needed = max(needed, one.cut)
        return max(0, passenger.cut - needed)
