"""Work of a device, frames on its link and pictures on its processor: one after the other, or where
its class is `parallel` all at once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

from midstep.radio.pace import LONGEST, finish

__all__ = ["Booking", "ParallelWork", "SerialWork", "Stage", "Work", "open_work"]


@dataclass(frozen=True, kw_only=True)
class Booking:
    """One piece of work, in scenario seconds: when it was asked for, when it begins (behind the
    earlier ones) and when it is due."""

    asked_s: float
    begins_s: float
    due_s: float

    @property
    def wait_s(self) -> float:
        return self.begins_s - self.asked_s

    @property
    def work_s(self) -> float:
        return self.due_s - self.begins_s


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A booking and the seconds that it took in fact, the wait included."""

    booking: Booking
    achieved_s: float

    @property
    def late_s(self) -> float:
        """Achieved minus commanded."""
        return self.achieved_s - (self.booking.due_s - self.booking.asked_s)


class Work(ABC):
    """Work at a rate that changes each slot: `rate(slot)` is in units of work per second, constant
    within a slot of `slot_seconds`."""

    def __init__(self, rate: Callable[[int], float], slot_seconds: float) -> None:
        self._rate = rate
        self._slot_seconds = slot_seconds

    def rate(self, now_s: float) -> float:
        """The rate now, units of work per second."""
        return self._rate(int(now_s // self._slot_seconds))

    @abstractmethod
    def backlog_s(self, now_s: float) -> float:
        """How long new work would wait for the earlier bookings."""

    @abstractmethod
    def book(self, asked_s: float, amount: float, due_s: float) -> Booking:
        """Book `amount` units that are asked for at `asked_s`, of a request that was due at
        `due_s`. Raises ScenarioError where they would end beyond every run's end."""


class SerialWork(Work):
    """A queue: each piece begins when the earlier ones are done, and goes on at the rate of each
    slot that it comes to."""

    def __init__(self, rate: Callable[[int], float], slot_seconds: float) -> None:
        super().__init__(rate, slot_seconds)
        self._free_at = 0.0

    def backlog_s(self, now_s: float) -> float:
        return max(0.0, self._free_at - now_s)

    def book(self, asked_s: float, amount: float, due_s: float) -> Booking:
        begins = max(asked_s, self._free_at)
        self._free_at = finish(begins, amount, self._rate, self._slot_seconds)
        return Booking(asked_s=asked_s, begins_s=begins, due_s=self._free_at)


class ParallelWork(Work):
    """(5) and (8) to the letter: each piece takes its amount over the rate of the slot in which its
    request was due, however much is being done beside it."""

    def backlog_s(self, now_s: float) -> float:
        return 0.0

    def book(self, asked_s: float, amount: float, due_s: float) -> Booking:
        ends = asked_s + amount / self.rate(due_s)
        if ends > due_s + LONGEST * self._slot_seconds:
            # its own words for what takes for ever
            finish(asked_s, amount, lambda _: self.rate(due_s), self._slot_seconds)
        return Booking(asked_s=asked_s, begins_s=asked_s, due_s=ends)


def open_work(rate: Callable[[int], float], slot_seconds: float, parallel: bool) -> Work:
    """The work of a device whose class is `parallel`, or not."""
    return (ParallelWork if parallel else SerialWork)(rate, slot_seconds)
