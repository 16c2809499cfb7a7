"""Serial work of a device: frames on its link, pictures on its processor, one after the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from midstep.radio.pace import finish

__all__ = ["Booking", "SerialWork", "Stage"]


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


class SerialWork:
    """A queue of work at a rate that changes each slot: `rate(slot)` is in units of work per
    second, constant within a slot of `slot_seconds`."""

    def __init__(self, rate: Callable[[int], float], slot_seconds: float) -> None:
        self._rate = rate
        self._slot_seconds = slot_seconds
        self._free_at = 0.0

    def rate(self, now_s: float) -> float:
        """The rate now, units of work per second."""
        return self._rate(int(now_s // self._slot_seconds))

    def backlog_s(self, now_s: float) -> float:
        """How long the earlier bookings will still take."""
        return max(0.0, self._free_at - now_s)

    def book(self, asked_s: float, amount: float) -> Booking:
        """Book `amount` units that are asked for at `asked_s`, behind the earlier bookings. Raises
        ScenarioError where they would end beyond every run's end."""
        begins = max(asked_s, self._free_at)
        self._free_at = finish(begins, amount, self._rate, self._slot_seconds)
        return Booking(asked_s=asked_s, begins_s=begins, due_s=self._free_at)
