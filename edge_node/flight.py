"""A trajectory in flight: begun from noise or from a held output, left at different cuts by the
requests that share it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from edge_node.cache.base import Entry
from edge_node.similar import Donor
from midstep.clock import Clock
from midstep.diffusion.denoise import Denoiser, Trajectory
from midstep.diffusion.engine import Engine
from midstep.diffusion.job import StopsOnTheWay
from midstep.errors import CacheCorrupted
from midstep.reuse.embedding import Vector
from midstep.wire.start import Start

__all__ = ["Flight", "Origin", "Passenger"]


@dataclass(frozen=True, kw_only=True)
class Origin:
    """What a trajectory begins from: the noise of `seed`, with a `start` that picture under it, or
    the `held` output of that prompt, or of another's, the `donor`. Where it is `private`, or a
    donor's, what is made serves nobody else. `first_step` is the start's. `vector` embeds the
    prompt."""

    prompt: str
    prompt_key: str
    seed: int
    negative: str = ""
    start: Start | None = None
    first_step: int = 0
    private: bool = False
    held: Entry | None = None
    donor: Donor | None = None
    vector: Vector | None = field(default=None, repr=False, compare=False)

    @property
    def step(self) -> int:
        """Where the trajectory begins: 0 where it is noise."""
        return self.first_step if self.held is None else self.held.frame.step

    @property
    def reused_step(self) -> int:
        """The held output's; 0 where there is none."""
        return 0 if self.held is None else self.held.frame.step

    @property
    def original(self) -> bool:
        """Whether outputs on the way are the prompt's own, and everybody's."""
        return not self.private and self.donor is None


@dataclass(eq=False, kw_only=True)
class Passenger:
    """A request that waits for a trajectory's output at its `cut`. `edge_steps` are the computed
    steps that are charged to it, once its output is being packed. `charged_step` is how far those
    who came before it pay."""

    cut: int
    entry: asyncio.Future[Entry] = field(repr=False)
    charged_step: int
    edge_steps: int = 0


class Flight(StopsOnTheWay):
    """One trajectory and its passengers, in the order in which they came.

    It goes as far as the largest cut of those who wait, `until`. Steps are kept by reference while
    it is in flight, and packed only when somebody, or the plan (`target`, 0: none), takes them;
    `frozen` is called with each packed output first, `over` when nobody can join any more.
    """

    def __init__(
        self,
        engine: Engine,
        clock: Clock,
        origin: Origin,
        target: int,
        frozen: Callable[[Entry], None],
        over: Callable[[Flight], None],
    ) -> None:
        self.origin = origin
        self.started_s: float | None = None  # its first tick
        self.stops = {target}
        self.until = origin.step
        self._engine = engine
        self._denoiser: Denoiser = engine.denoiser
        self._clock = clock
        self._target = target
        self._frozen = frozen
        self._over = over
        self._passengers: list[Passenger] = []
        self._waiting: list[Passenger] = []
        self._trajectory: Trajectory | None = None
        self._packed: dict[int, Entry] = {}
        if origin.held is not None:
            self._packed[origin.step] = origin.held
        self._packing: dict[int, list[Passenger]] = {}  # steps, and for whom
        self._truncated: bool | None = None
        self._stop = origin.step  # where the tick or the window that runs ends at the latest
        self._job: asyncio.Future[Any] | None = None
        self._is_over = False

    def start(self) -> None:
        """Let the engine have it. Raises QueueFull, PartDied; what ends it later, errors of the
        denoiser too, goes to those who wait."""
        self._job = self._engine.enqueue(self)
        self._job.add_done_callback(self._ended)

    @property
    def step(self) -> int:
        """The last step whose tick has ended."""
        return self.origin.step if self._trajectory is None else self._trajectory.ended

    def gives(self, limit: int) -> bool:
        """Whether a request with that limit could join."""
        return self._first <= limit or self._furthest(limit) > 0

    def serves(self, cut: int, limit: int) -> int | None:
        """At which step a request with this cut would leave if it joined: the furthest kept step
        within its limit where its cut has been passed, else the cut; None where the trajectory can
        not give one (a family that runs from cut to cut has passed it by)."""
        if cut > self.step:
            at = max(cut, self._first)
            return at if at <= limit else None
        furthest = self._furthest(limit)
        return furthest if furthest >= cut else None

    def join(self, cut: int) -> Passenger:
        """Let a request wait for the output at a step that `serves` has named."""
        last = self._passengers[-1] if self._passengers else None
        passenger = Passenger(
            cut=cut,
            entry=asyncio.get_running_loop().create_future(),
            charged_step=self.origin.step if last is None else max(last.charged_step, last.cut),
        )
        self._passengers.append(passenger)
        self.stops.add(cut)
        if cut <= self.step:
            self._take(cut, [passenger])
        else:
            self._waiting.append(passenger)
            self._steer()
        return passenger

    def leave(self, passenger: Passenger) -> None:
        """A request gives up: nothing is computed for it alone, and nothing is charged to it."""
        self._passengers.remove(passenger)
        charged_step = self.origin.step
        for other in self._passengers:
            other.charged_step = charged_step
            charged_step = max(charged_step, other.cut)
        if passenger not in self._waiting:
            return
        self._waiting.remove(passenger)
        self._steer()
        if not self._waiting:
            self._end()
            if self._job is not None:
                self._engine.withdraw(self._job)

    # what the engine calls

    def entered(self) -> None:
        self.started_s = self._clock.now()

    def begin(self) -> Trajectory:
        origin = self.origin
        until = self._stop
        if origin.held is None:
            trajectory = self._denoiser.begin(
                origin.prompt,
                origin.seed,
                until,
                negative=origin.negative,
                start=origin.start,
            )
        else:
            trajectory = self._denoiser.resume(
                origin.held.frame, origin.prompt, until, None, negative=origin.negative
            )
        trajectory.history = {}
        # the tokenizer is asked here, in the computing thread: it cannot be shared between threads
        self._truncated = bool(self._denoiser.truncated(origin.prompt))
        self._trajectory = trajectory
        # it may have been moved meanwhile; what is missed here is put right at the next stop
        trajectory.until = self._stop
        return trajectory

    def finish(self, trajectory: Trajectory) -> None:
        """Nothing is left to do: an output is packed when somebody comes to it."""

    def reached(self, step: int) -> None:
        leaving = [passenger for passenger in self._waiting if passenger.cut <= step]
        if leaving:
            self._waiting = [passenger for passenger in self._waiting if passenger.cut > step]
        if leaving or step == self._target:
            self._take(step, leaving)
        self._steer()
        if not self._waiting:
            self._end()

    # its own

    @property
    def _first(self) -> int:
        """The first step that can still be had: a window that runs cannot be cut short."""
        if self._denoiser.batched or self.started_s is None:
            return 1 + self.step
        return self._stop

    def _furthest(self, limit: int) -> int:
        """The furthest kept step within a limit, that of a held origin too; 0: none."""
        most = min(limit, self.step)
        history = () if self._trajectory is None else list(self._trajectory.history or ())
        return max((step for step in (*self._packed, *history) if step <= most), default=0)

    def _steer(self) -> None:
        """Go as far as the largest cut of those who wait, once somebody has come or gone; families
        that do not batch run from cut to cut."""
        done = self.step
        until = max((passenger.cut for passenger in self._waiting), default=done)
        self.until = until
        self._stop = until
        if not self._denoiser.batched:
            self._stop = min((stop for stop in self.stops if done < stop <= until), default=until)
        if self._trajectory is not None:
            self._trajectory.until = self._stop

    def _take(self, step: int, passengers: list[Passenger]) -> None:
        """Give the output at `step`, which is kept, to those who leave there."""
        for passenger in passengers:
            passenger.edge_steps = max(0, step - passenger.charged_step)
        if step in self._packed:
            self._give(self._packed[step], passengers)
        elif step in self._packing:
            self._packing[step] += passengers
        else:
            self._packing[step] = passengers
            self._engine.aside(lambda: self._pack(step), lambda done: self._took(step, done))

    def _pack(self, step: int) -> Entry:
        assert self._trajectory is not None
        frame = self._denoiser.freeze(self._trajectory, self.origin.prompt_key, step)
        origin = self.origin
        return Entry(origin.prompt, frame, bool(self._truncated), embedding=origin.vector)

    def _took(self, step: int, done: asyncio.Future[Entry]) -> None:
        passengers = self._packing.pop(step)
        if done.cancelled():
            self._fail(passengers, None)
            return
        error = done.exception()
        if error is not None:
            self._fail(passengers, error)
            return
        entry = self._packed[step] = done.result()
        try:
            self._frozen(entry)
        except CacheCorrupted as damage:
            self._fail(passengers, damage)
        self._give(entry, passengers)

    def _give(self, entry: Entry, passengers: list[Passenger]) -> None:
        for passenger in passengers:
            if not passenger.entry.done():
                passenger.entry.set_result(entry)

    def _fail(self, passengers: list[Passenger], error: BaseException | None) -> None:
        """End their waiting with an error, None: as cancelled."""
        for passenger in passengers:
            if passenger.entry.done():
                continue
            if error is None:
                passenger.entry.cancel()
            else:
                passenger.entry.set_exception(error)

    def _end(self) -> None:
        if not self._is_over:
            self._is_over = True
            self._over(self)

    def _ended(self, job: asyncio.Future[Any]) -> None:
        """The engine has let it go."""
        self._end()
        self._fail(self._waiting, None if job.cancelled() else job.exception())
