"""A trajectory in flight: begun from noise or from a held output, left at different cuts by the
requests that share it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from edge_node.cache.base import Entry
from midstep.clock import Clock
from midstep.diffusion.denoise import Denoiser, Trajectory
from midstep.diffusion.engine import Engine, StopsOnTheWay
from midstep.errors import CacheCorrupted

__all__ = ["Flight", "Origin", "Passenger"]


@dataclass(frozen=True, kw_only=True)
class Origin:
    """What a trajectory begins from: the noise of `seed`, or the `held` output of that prompt."""

    prompt: str
    prompt_key: str
    seed: int
    held: Entry | None = None

    @property
    def step(self) -> int:
        """0 where it is noise."""
        return 0 if self.held is None else self.held.frame.step


@dataclass(eq=False, kw_only=True)
class Passenger:
    """A request that waits for a trajectory's output at its `cut`. `edge_steps` are the computed
    steps that are charged to it, once it is `done`: its output is being
    packed."""

    cut: int
    entry: asyncio.Future[Entry] = field(repr=False)
    done: bool = False
    edge_steps: int = 0


class Flight(StopsOnTheWay):
    """One trajectory and its passengers, in the order in which they came.

    It goes as far as the largest cut of those who wait. Steps are kept by reference while it is in
    flight, and packed only when somebody, or the plan (`target`, 0: none), takes them; `frozen` is
    called with each packed output first.
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
        self.is_over = False
        self._engine = engine
        self._denoiser: Denoiser = engine.denoiser
        self._clock = clock
        self._target = target
        self._frozen = frozen
        self._over = over
        self._passengers: list[Passenger] = []
        self._trajectory: Trajectory | None = None
        self._packed: dict[int, Entry] = {}
        self._packing: dict[int, list[Passenger]] = {}  # steps, and for whom
        self._stops = {target}
        self._truncated: bool | None = None
        self.until = origin.step
        self._task: asyncio.Task[Any] | None = None

    def start(self) -> None:
        """Let the engine have it. What ends it, QueueFull and errors of the denoiser too, goes to
        those who wait."""
        self._task = asyncio.create_task(self._engine.submit(self))
        self._task.add_done_callback(self._ended)

    @property
    def step(self) -> int:
        """The last step whose tick has ended."""
        return self.origin.step if self._trajectory is None else self._trajectory.ended

    def serves(self, cut: int, limit: int) -> int | None:
        """At which step a request with this cut would leave if it joined: the furthest kept step
        within its limit where its cut has been passed, else the cut; None where the trajectory can
        not give one (a family that runs from cut to cut has passed it by)."""
        done = self.step
        if cut > done:
            running = self._running
            return cut if cut >= running else (running if running <= limit else None)
        history = self._trajectory.history if self._trajectory is not None else None
        steps = [step for step in list(history or ()) if step <= min(limit, done)]
        furthest = max(steps, default=0)
        return furthest if furthest >= cut else None

    def join(self, cut: int) -> Passenger:
        """Let a request wait for the output at a step that `serves` has named."""
        passenger = Passenger(cut=cut, entry=asyncio.get_running_loop().create_future())
        self._passengers.append(passenger)
        self._stops.add(cut)
        if cut <= self.step:
            self._take(cut, [passenger])
        else:
            self._steer()
        return passenger

    def leave(self, passenger: Passenger) -> None:
        """A request gives up: nothing is computed for it alone, and nothing is charged to it."""
        self._passengers.remove(passenger)
        if self._waiting or self.is_over:
            self._steer()
            return
        self._end()
        if self._task is not None:
            self._task.cancel()

    # what the engine calls

    def begin(self) -> Trajectory:
        origin = self.origin
        self.started_s = self._clock.now()
        if origin.held is None:
            trajectory = self._denoiser.begin(origin.prompt, origin.seed, self.until)
        else:
            frame = origin.held.frame
            trajectory = self._denoiser.resume(frame, origin.prompt, self.until, None)
        trajectory.history = {}
        # the tokenizer is asked here, in the computing thread: it cannot be shared between threads
        self._truncated = bool(self._denoiser.truncated(origin.prompt))
        self._trajectory = trajectory
        trajectory.until = self._next_stop(trajectory.step)
        return trajectory

    def finish(self, trajectory: Trajectory) -> None:
        """Nothing is left to do: an output is packed when somebody comes to it."""

    @property
    def stops(self) -> Collection[int]:
        return self._stops

    def reached(self, step: int) -> None:
        leaving = [passenger for passenger in self._waiting if passenger.cut <= step]
        if leaving or step == self._target:
            self._take(step, leaving)
        self._steer()
        if not self._waiting:
            self._end()

    # its own

    @property
    def _waiting(self) -> list[Passenger]:
        return [one for one in self._passengers if not one.done and not one.entry.done()]

    @property
    def _running(self) -> int:
        """The first step that can still be had: a window that runs cannot be cut short."""
        trajectory = self._trajectory
        if trajectory is None or self._denoiser.batched:
            return 1 + self.step
        return trajectory.until

    def _steer(self) -> None:
        """Set where the trajectory stops, after somebody has come or gone."""
        self.until = max((passenger.cut for passenger in self._waiting), default=self.step)
        if self._trajectory is not None:
            self._trajectory.until = self._next_stop(self._trajectory.ended)

    def _next_stop(self, step: int) -> int:
        """Where the denoiser has to stop next: families that do not batch run from cut to cut."""
        if self._denoiser.batched:
            return self.until
        ahead = [stop for stop in self.stops if step < stop <= self.until]
        return min(ahead, default=self.until)

    def _take(self, step: int, passengers: list[Passenger]) -> None:
        """Give the output at `step`, which is kept, to those who leave there."""
        for passenger in passengers:
            before = [other.cut for other in self._before(passenger)]
            passenger.edge_steps = max(0, step - max([self.origin.step, *before]))
            passenger.done = True
        if step in self._packed:
            self._give(self._packed[step], passengers)
        elif step in self._packing:
            self._packing[step] += passengers
        else:
            self._packing[step] = passengers
            self._engine.aside(lambda: self._pack(step), lambda done: self._took(step, done))

    def _before(self, passenger: Passenger) -> list[Passenger]:
        return self._passengers[: self._passengers.index(passenger)]

    def _pack(self, step: int) -> Entry:
        assert self._trajectory is not None
        frame = self._denoiser.freeze(self._trajectory, self.origin.prompt_key, step)
        return Entry(self.origin.prompt, frame, bool(self._truncated))

    def _took(self, step: int, done: asyncio.Future[Entry]) -> None:
        passengers = self._packing.pop(step)
        error = None if done.cancelled() else done.exception()
        if error is not None:
            self._fail(passengers, error)
            return
        if done.cancelled():
            for passenger in passengers:
                passenger.entry.cancel()
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

    def _fail(self, passengers: list[Passenger], error: BaseException) -> None:
        for passenger in passengers:
            if not passenger.entry.done():
                passenger.entry.set_exception(error)

    def _end(self) -> None:
        if not self.is_over:
            self.is_over = True
            self._over(self)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        """The engine has let it go."""
        self._end()
        if task.cancelled():
            for passenger in self._waiting:
                passenger.entry.cancel()
        elif (error := task.exception()) is not None:
            self._fail(self._waiting, error)
