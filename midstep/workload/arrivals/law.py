"""What an arrival is, and what a law of arrivals says."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

from midstep.draws import PAUSE, uniform

__all__ = [
    "NOT_RECORDED",
    "ROUNDING_S",
    "Arrival",
    "ArrivalLaw",
    "due_before",
    "exponential",
    "next_arrival",
    "pause_s",
]

ROUNDING_S = 1e-9  # what an event loop's timers round: an arrival nearer to the end is not in it


@dataclass(frozen=True, slots=True)
class Arrival:
    """One arrival: the instant at which the request should be sent, scenario seconds, and of a
    closed arrival how long the user thought before it. An open one has no `think_s`: it is due
    whether or not the user has its last picture, and its latency counts from `due_s`.
    """

    due_s: float
    think_s: float | None = None


NOT_RECORDED = Arrival(-math.inf)
"""In place of an arrival that a trace lacks, as that of a run that broke off: the user goes on with
the next number."""


class ArrivalLaw(Protocol):
    """When a user's requests are due. A law draws by (user, index), so that every policy, and every
    process, meets the same arrivals."""

    closed: bool
    """Whether a user waits for its picture before it asks again."""
    mean_pause_s: float
    """Mean seconds of a user's pauses: of thinking, or from one request to the next."""

    def arrival(self, user: int, index: int, since_s: float) -> Arrival | None:
        """The `index`-th arrival of `user`; None where it has no more, NOT_RECORDED where this one
        is unknown.

        `since_s` is the instant from which the law counts: the arrival before it where arrivals are
        open, the answer to it where they are closed, and for the first one when the user came.
        """


def next_arrival(
    law: ArrivalLaw, user: int, index: int, since_s: float
) -> tuple[int, Arrival] | None:
    """The first arrival of `user` from its `index`-th on that the law knows, with its number; None
    where it has no more. `since_s` as in `ArrivalLaw.arrival`."""
    while (arrival := law.arrival(user, index, since_s)) is NOT_RECORDED:
        index += 1
    return None if arrival is None else (index, arrival)


def due_before(arrival: Arrival, end_s: float) -> bool:
    """Whether an arrival is due before an end, the same on every road: one that is due at the very
    end is not."""
    return arrival.due_s < end_s - ROUNDING_S


def exponential(uniform_draw: float) -> float:
    """An exponential variate of mean 1 by inversion, from a number in [0, 1)."""
    return -math.log1p(-uniform_draw)


def pause_s(seed: int, user: int, index: int, mean_s: float) -> float:
    """Exponential think or inter-arrival time before the `index`-th request, seconds."""
    return mean_s * exponential(uniform(seed, PAUSE, index, user)) if mean_s else 0.0
