"""Work of a device, frames on its link and pictures on its processor: one after the other, or where
its class is `parallel` all at once. Rates may change in the middle of it: what is left of each
piece then goes on at the new one."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

from midstep.clock import Alarm
from midstep.errors import ScenarioError
from midstep.radio.pace import LONGEST, finish, progress

__all__ = ["Booking", "ParallelWork", "SerialWork", "Stage", "Work", "open_work"]


class Booking:
    """One piece of work, in scenario seconds: when it was asked for, when it begins (behind the
    earlier ones) and when it is due. The last two may move as rates change, to infinity where the
    rate is 0; `due` wakes who waits."""

    def __init__(
        self, *, asked_s: float, begins_s: float, due_s: float, amount: float = 0.0, slot: int = 0
    ) -> None:
        self.asked_s = asked_s
        self.begins_s = begins_s
        self.due = Alarm(due_s)
        self.left = amount  # from `mark_s` on
        self.mark_s = begins_s
        self.slot = slot  # in which its request was due

    @property
    def due_s(self) -> float:
        return self.due.instant_s

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
    within a slot of `slot_seconds`. Where it changes at another instant, call `settle` before that
    and `resume` after it. It may be 0, of all slots at once: nothing is done then."""

    def __init__(self, rate: Callable[[int], float], slot_seconds: float) -> None:
        self._rate = rate
        self._slot_seconds = slot_seconds
        self._open: list[Booking] = []  # in order; some of them may be done

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

    def settle(self, now_s: float) -> None:
        """Account for what is done by now: the rate is about to change."""
        self._forget(now_s)
        for booking in self._open:
            if booking.begins_s < now_s:
                booking.left = max(0.0, booking.left - self._done(booking, now_s))
                booking.mark_s = now_s

    @abstractmethod
    def resume(self, now_s: float) -> None:
        """Let what is left go on from now, at the rates that there are now."""

    def drop(self, booking: Booking, now_s: float) -> None:
        """Give a booking up: those behind it move up."""
        self.settle(now_s)
        if booking in self._open:
            self._open.remove(booking)
            self.resume(now_s)

    @abstractmethod
    def _done(self, booking: Booking, now_s: float) -> float:
        """Units of a booking that are done between its mark and now."""

    def _forget(self, now_s: float) -> None:
        """Forget what is done."""
        self._open = [booking for booking in self._open if booking.due_s > now_s]


class SerialWork(Work):
    """A queue: each piece begins when the earlier ones are done, and goes on at the rate of each
    slot that it comes to."""

    def __init__(self, rate: Callable[[int], float], slot_seconds: float) -> None:
        super().__init__(rate, slot_seconds)
        self._free_at = 0.0

    def backlog_s(self, now_s: float) -> float:
        return max(0.0, self._free_at - now_s)

    def book(self, asked_s: float, amount: float, due_s: float) -> Booking:
        begins_s = max(asked_s, self._free_at)
        self._free_at = self._finish(begins_s, amount)
        booking = Booking(asked_s=asked_s, begins_s=begins_s, due_s=self._free_at, amount=amount)
        self._forget(asked_s)
        self._open.append(booking)
        return booking

    def resume(self, now_s: float) -> None:
        self._free_at = now_s
        for booking in self._open:
            if booking.begins_s >= now_s:
                booking.begins_s = max(booking.asked_s, self._free_at)
                booking.mark_s = booking.begins_s
            self._free_at = self._expect(booking)
            booking.due.move(self._free_at)

    def _expect(self, booking: Booking) -> float:
        """When it is done at the rates that there are now; infinity where no run is that long."""
        try:
            return self._finish(booking.mark_s, booking.left)
        except ScenarioError:
            return math.inf

    def _finish(self, start_s: float, amount: float) -> float:
        """When work that begins at an instant is done; infinity where nothing is done."""
        if math.isinf(start_s) or self.rate(start_s) == 0:
            return math.inf
        return finish(start_s, amount, self._rate, self._slot_seconds)

    def _done(self, booking: Booking, now_s: float) -> float:
        return progress(booking.mark_s, now_s, self._rate, self._slot_seconds)


class ParallelWork(Work):
    """(5) and (8) to the letter: each piece takes its amount over the rate of the slot in which its
    request was due, however much is being done beside it."""

    def backlog_s(self, now_s: float) -> float:
        return 0.0

    def book(self, asked_s: float, amount: float, due_s: float) -> Booking:
        slot = int(due_s // self._slot_seconds)
        ends_s = self._finish(slot, asked_s, amount)
        if due_s + LONGEST * self._slot_seconds < ends_s < math.inf:
            # its own words for what takes for ever
            finish(asked_s, amount, lambda _: self.rate(due_s), self._slot_seconds)
        booking = Booking(asked_s=asked_s, begins_s=asked_s, due_s=ends_s, amount=amount, slot=slot)
        self._forget(asked_s)
        self._open.append(booking)
        return booking

    def resume(self, now_s: float) -> None:
        for booking in self._open:
            booking.due.move(self._finish(booking.slot, booking.mark_s, booking.left))

    def _finish(self, slot: int, start_s: float, amount: float) -> float:
        rate = self._rate(slot)
        return start_s + amount / rate if rate else math.inf

    def _done(self, booking: Booking, now_s: float) -> float:
        return self._rate(booking.slot) * (now_s - booking.mark_s)


def open_work(rate: Callable[[int], float], slot_seconds: float, parallel: bool) -> Work:
    """The work of a device whose class is `parallel`, or not."""
    return (ParallelWork if parallel else SerialWork)(rate, slot_seconds)
