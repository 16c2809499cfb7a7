"""Follows a scenario's timeline in a live run: applies each event when it is due."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from midstep.clock import Clock
from midstep.draws import EVENT, EVENT_CHANCE, generator, uniform
from midstep.errors import MidstepError
from midstep.events import Event, FaultyRun, Signal

__all__ = ["Happening", "Timeline"]


@dataclass(frozen=True, kw_only=True)
class Happening:
    """What an event did: its `kind`, its place in the timeline, and in words what was done. It
    `happened`, what it did is `over`, or it `failed`."""

    kind: str
    place: int
    phase: Literal["happened", "over", "failed"]
    text: str


@dataclass(frozen=True)
class _Watch:
    """A condition that is looked at from `from_s` until `until_s`, and whether it was `met`."""

    met: asyncio.Future[None]
    from_s: float
    until_s: float


class Timeline:
    """The events of a run that ends at `ends_s` scenario seconds. `tell` gets what each did, or why
    it could not; the others follow in any case.

    Events that are due at one instant are applied in the order of the list. One that takes time
    (hosts that start) does not keep the later ones waiting.
    """

    def __init__(
        self,
        events: Iterable[Event],
        clock: Clock,
        run: FaultyRun,
        tell: Callable[[Happening], None],
        seed: int = 0,
        ends_s: float = float("inf"),
    ) -> None:
        # copies: what `apply` notes of itself for `undo` is of this run
        self._events = [event.model_copy() for event in events]
        self._clock = clock
        self._run = run
        self._tell = tell
        self._seed = seed
        self._ends_s = ends_s
        self._watches: dict[int, _Watch] = {}  # by the event's place in the list

    async def follow(self) -> None:
        """Apply the events until all are over; one with a condition never is, where nothing says
        how often or until when."""
        async with asyncio.TaskGroup() as tasks:
            for number, event in enumerate(self._events):
                if event.when is not None:
                    tasks.create_task(self._watch(number, event), name=f"event-{number}")
            for at_s, number, time in self._agenda():
                await self._clock.sleep_until(at_s)
                tasks.create_task(self._carry_out(number, time), name=f"event-{number}-{time}")

    def slot_ended(self, signals: Mapping[Signal, float | None]) -> None:
        """Look at the conditions, after a slot that had these figures."""
        now = self._clock.now()
        for number, watch in sorted(self._watches.items()):
            condition = self._events[number].when
            assert condition is not None
            is_due = watch.from_s <= now < watch.until_s and not watch.met.done()
            if is_due and condition.holds(signals[condition.metric]):
                watch.met.set_result(None)

    def _agenda(self) -> Iterator[tuple[float, int, int]]:
        """When events come that no condition holds back: instant, place in the list, and how many
        times before; in the order of instants, then of the list."""
        return heapq.merge(*(self._times(number) for number in range(len(self._events))))

    def _times(self, number: int) -> Iterator[tuple[float, int, int]]:
        for time, at_s in enumerate(self._events[number].instants(self._ends_s)):
            yield at_s, number, time

    async def _watch(self, number: int, event: Event) -> None:
        """Apply an event each time its condition holds."""
        until_s = self._ends_s if event.until_s is None else min(event.until_s, self._ends_s)
        next_s = event.at_s
        for time in itertools.count():
            met = asyncio.get_running_loop().create_future()
            self._watches[number] = _Watch(met, next_s, until_s)
            await met
            next_s = self._clock.now() + (event.every_s or 0.0)
            await self._carry_out(number, time)
            if event.every_s is None:
                return

    async def _carry_out(self, number: int, time: int) -> None:
        """Apply an event for the `time`-th time, and undo it when it is over."""
        event = self._events[number]
        drawn = event.chance is not None
        if drawn and uniform(self._seed, EVENT_CHANCE, time, number) >= (event.chance or 0.0):
            return
        began_s = self._clock.now()
        try:
            rng = generator(self._seed, EVENT, (number << 32) + time)
            self._note(number, "happened", await event.apply(self._run, rng))
            if event.for_s is None or began_s + event.for_s >= self._ends_s:
                return
            await self._clock.sleep_until(began_s + event.for_s)
            self._note(number, "over", await event.undo(self._run))
        except MidstepError as error:
            self._note(number, "failed", f"it could not be done: {error}")

    def _note(self, number: int, phase: Literal["happened", "over", "failed"], text: str) -> None:
        kind = self._events[number].kind
        self._tell(Happening(kind=kind, place=number, phase=phase, text=text))
