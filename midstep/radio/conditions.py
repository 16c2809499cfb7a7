"""What events have changed of a device and its link: several changes act together until each is
lifted."""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterable
from typing import NamedTuple

from midstep.events.changes import DeviceChange

__all__ = ["Conditions"]


class _Walk(NamedTuple):
    """A way on a straight line to or from the edge, metres and seconds."""

    from_m: float
    to_m: float
    since_s: float
    over_s: float

    def at(self, now_s: float) -> float:
        """Where it has come to."""
        if now_s >= self.since_s + self.over_s:
            return self.to_m
        share = max(0.0, now_s - self.since_s) / self.over_s
        return self.from_m + share * (self.to_m - self.from_m)


class Conditions:
    """Conditions of one device, which stands `distance_m` from its edge to begin with. What
    changes with time is constant within a slot of `slot_seconds`: as it is when the slot begins,
    or when the change comes, if that is later."""

    def __init__(self, distance_m: float, slot_seconds: float) -> None:
        self._slot_seconds = slot_seconds
        self._walk = _Walk(distance_m, distance_m, 0.0, 0.0)
        self._changes: dict[str, tuple[DeviceChange, float]] = {}  # with the instant, by cause
        self.moved = False

    def change(self, change: DeviceChange, now_s: float) -> None:
        """Enter a change that comes now."""
        self._changes.pop(change.cause, None)
        if change != DeviceChange(cause=change.cause):
            self._changes[change.cause] = (change, now_s)
        if change.distance_m is not None:
            self.moved = True
            self._walk = _Walk(self._walk.at(now_s), change.distance_m, now_s, change.over_s)

    @property
    def rate_factor(self) -> float:
        """By which R_n is multiplied: 0 where the link is down."""
        if any(change.down for change, _ in self._changes.values()):
            return 0.0
        return math.prod(_set(change.rate_factor, 1.0) for change, _ in self._changes.values())

    @property
    def speed_factor(self) -> float:
        """By which f_n is multiplied."""
        return math.prod(_set(change.speed_factor, 1.0) for change, _ in self._changes.values())

    @property
    def bit_error_rate(self) -> float:
        """Probability that a bit comes wrong."""
        return _either(_set(change.bit_error_rate, 0.0) for change, _ in self._changes.values())

    @property
    def frame_loss(self) -> float:
        """Probability that a frame is lost."""
        return _either(_set(change.frame_loss, 0.0) for change, _ in self._changes.values())

    def distance_m(self, slot: int) -> float:
        """Distance from the edge in a slot."""
        return self._walk.at(max(slot * self._slot_seconds, self._walk.since_s))

    def gain(self, slot: int) -> float | None:
        """Power gain g_n of (6) in a slot, by the last change that says what it is; None: by path
        loss and fading."""
        for change, since_s in reversed(self._changes.values()):
            if change.gains:
                passed_s = max(0.0, slot * self._slot_seconds - since_s)
                place = bisect.bisect_right(change.gains, passed_s, key=lambda pair: pair[0]) - 1
                return change.gains[max(0, place)][1]
        return None


def _set(value: float | None, default: float) -> float:
    return default if value is None else value


def _either(probabilities: Iterable[float]) -> float:
    """Probability of at least one of several independent events."""
    return 1.0 - math.prod(1.0 - probability for probability in probabilities)
