"""An event of a scenario's timeline: when it happens, how often, how long, and what it does."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field, model_validator

from midstep.events.run import FaultyRun
from midstep.tree import Seconds, Tree

if TYPE_CHECKING:
    import numpy as np

__all__ = ["MOST_TIMES", "SIGNALS", "Condition", "Event", "Signal"]

MOST_TIMES = 10_000  # that one event may come in a run

Signal = Literal[
    "requests", "failed", "hit_ratio", "p95_s", "queue", "in_flight", "backlog_s", "users"
]
# what a condition may look at, of the slot that has just ended and of all edges together
SIGNALS: dict[Signal, str] = {
    "requests": "requests that ended in the slot",
    "failed": "those of them without a picture: failed, timed out or rejected",
    "hit_ratio": "share of the finished ones that an output held at the edge served",
    "p95_s": "their response time, 95th percentile (with fewer than 20 the largest), seconds",
    "queue": "requests that wait at the edges",
    "in_flight": "requests that the edges compute",
    "backlog_s": "the virtual queue Q of (23), the largest of the edges', seconds",
    "users": "devices that ask",
}


class Condition(Tree):
    """A condition on the slot that has just ended: its `metric` is `above` or `below` a value."""

    metric: Signal
    """What is looked at; docs/faults.md says what each is."""
    above: float | None = None
    """It holds where the metric is above this."""
    below: float | None = None
    """It holds where the metric is below this."""

    @model_validator(mode="after")
    def _one_side(self) -> Condition:
        if (self.above is None) == (self.below is None):
            raise ValueError(
                f"a condition has one side: write {{metric: {self.metric}, above: X}} or below"
            )
        return self

    def holds(self, value: float | None) -> bool:
        """Whether it holds for a value; never where there is none."""
        if value is None:
            return False
        if self.above is not None:
            return value > self.above
        return self.below is not None and value < self.below


class Event(Tree):
    """An event: when it happens, how often, and how long what it does lasts; docs/faults.md says
    what each kind does."""

    # A kind, a subclass, says what it does in `apply`, and in `undo` where it can last for a while
    # (`for_s`). One that acts on one edge has the field `edge`, on one class of devices `of_class`
    # (key `class`): the scenario checks those names. `virtual` is whether it works in virtual time;
    # it overrides `plays_virtually` where that depends on its keys. `moves_users`: devices come or
    # go by it.
    virtual: ClassVar[bool] = True
    moves_users: ClassVar[bool] = False

    kind: str
    """Kind of the event."""
    at_s: Seconds = 0.0
    """When, seconds of the scenario after its start; with every_s or when: from when on."""
    every_s: Seconds | None = Field(None, gt=0)
    """Again every so often, seconds; null: once."""
    until_s: Seconds | None = None
    """Until when it may come again, seconds; null: the run's end."""
    chance: float | None = Field(None, gt=0, le=1)
    """Probability with which it happens each time, drawn from the seed; null: each time."""
    when: Condition | None = None
    """Condition, looked at from at_s on at each slot's end; with every_s it may happen again so
    long after the last time."""
    for_s: Seconds | None = Field(None, gt=0)
    """How long it lasts, seconds; what it did is then undone. null: to the run's end."""

    @model_validator(mode="after")
    def _times_fit(self) -> Event:
        if self.for_s is not None and not self.can_end():
            raise ValueError(f"for_s: what a {self.kind} does is not undone; leave it out")
        if self.every_s is not None and (self.for_s or 0.0) >= self.every_s:
            raise ValueError(
                f"for_s: it lasts {self.for_s:g} s and comes every {self.every_s:g} s; let it last "
                f"less"
            )
        if self.until_s is not None and self.every_s is None and self.when is None:
            raise ValueError("until_s: it happens once; give every_s or when, or leave it out")
        if self.until_s is not None and self.until_s <= self.at_s:
            raise ValueError(f"until_s: {self.until_s:g} s is not after at_s, {self.at_s:g} s")
        return self

    @abstractmethod
    async def apply(self, run: FaultyRun, rng: np.random.Generator) -> str:
        """Do it; in words what was done, such as "60 to 90 users". What it draws it draws from
        `rng`, which depends on the seed, on the event's place in the timeline and on how many times
        it came before. Raises MidstepError, one line, where it cannot be done."""

    async def undo(self, run: FaultyRun) -> str:
        """End it, `for_s` after `apply`; in words what was done. Raises as `apply`. Kinds without
        an end do not have it, and are refused a `for_s`."""
        raise AssertionError(f"{type(self).__name__} has no end")

    def check(self) -> None:
        """Look at what it needs beside its keys, such as a file, before a run begins. Raises
        MidstepError, one line."""

    @classmethod
    def can_end(cls) -> bool:
        """Whether the kind can last for a while and be undone."""
        return cls.undo is not Event.undo

    def plays_virtually(self) -> bool:
        """Whether it works in virtual time."""
        return self.virtual

    def most_users(self, before: int) -> int:
        """Users that the whole run has then at most, where it has `before` at most before it."""
        return before

    def most_times(self, ends_s: float) -> float:
        """How often it may come, in a run that ends at `ends_s`, seconds."""
        return 1.0 if self.every_s is None else max(1.0, (ends_s - self.at_s) / self.every_s)

    def instants(self, ends_s: float) -> Iterator[float]:
        """When it comes, in a run that ends at `ends_s`, seconds; nothing where a condition says
        when."""
        if self.when is not None:
            return
        until_s = ends_s if self.until_s is None else min(ends_s, self.until_s)
        number = 0
        while (instant_s := self.at_s + number * (self.every_s or 0.0)) < until_s:
            yield instant_s
            if self.every_s is None:
                return
            number += 1
