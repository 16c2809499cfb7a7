"""An edge's whole bandwidth W, shared by those who receive at the moment: constraint (21) taken
literally, as a fluid."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

__all__ = ["Passage", "SharedBand"]

# weight of the last slot in the mean number of receivers: plans that are made by it change it, and
# with the last slot alone all receive in one slot and nobody in the next
SMOOTHING = 0.1


@dataclass(eq=False, kw_only=True)
class Passage:
    """One frame on the air: whose it is, how many of its bits are `left`, (bit/s)/Hz of its link by
    slot, above 0 while it is on the air, and whether it passes beside its user's other frames.
    Instants are scenario seconds, None as long as they have not come: when it was `asked_s` for,
    when its first bit passed, when its last."""

    user: int
    left: float
    efficiency: Callable[[int], float]
    parallel: bool = False
    asked_s: float | None = None
    begins_s: float | None = None
    ended_s: float | None = None


@dataclass
class _Use:
    """Use of the band in a slot: seconds in which anybody received, and receivers times seconds."""

    busy_s: float = 0.0
    receiver_s: float = 0.0

    @property
    def mean(self) -> float:
        """Users that received at once, in the mean over the time in which anybody did; 0: nobody
        did."""
        return self.receiver_s / self.busy_s if self.busy_s else 0.0


@dataclass
class SharedBand:
    """A band of `total_hz`. Each of the n users that receive has W / n of it; that changes when one
    begins, when one ends, and the bits a second of a share at each slot's boundary, of
    `slot_seconds`. Of one user's frames the first alone passes, or where they are parallel all of
    them, each as if it had the user's share for itself, as (8) has it.

    It has no clock: `advance` moves it to an instant, through all that happens before."""

    total_hz: float
    slot_seconds: float
    now_s: float = 0.0
    _slot: int = 0
    _frames: dict[int, list[Passage]] = field(default_factory=dict)  # by user, in order
    _use: _Use = field(default_factory=_Use)  # of this slot
    _mean: float = 0.0  # of the slots before

    def begin(self, passage: Passage, now_s: float) -> list[Passage]:
        """Let a frame be sent from now on, or what is left of it; those that ended until now."""
        ended = self.advance(now_s)
        if passage.asked_s is None:
            passage.asked_s = self.now_s
        self._frames.setdefault(passage.user, []).append(passage)
        self._begin_next(passage.user)
        return ended

    def leave(self, passage: Passage, now_s: float) -> list[Passage]:
        """Take a frame off the air that is not wanted any more; those that ended until now."""
        ended = self.advance(now_s)
        if passage.ended_s is None:
            self._remove(passage)
        return ended

    @property
    def receivers(self) -> int:
        """Users that receive now."""
        return len(self._frames)

    @property
    def mean_receivers(self) -> float:
        """Users that received at once in the slots before this one, at least 1: of a slot the mean
        over the time in which anybody did, of the slots a mean that forgets."""
        return max(1.0, self._mean)

    def next_change_s(self) -> float | None:
        """When the next frame ends or the slot does; None while nobody receives."""
        if not self._frames:
            return None
        return min(self._boundary_s, *(self._end_s(passage) for passage in self._passing()))

    def advance(self, now_s: float) -> list[Passage]:
        """Move to an instant; the frames that ended until then, in order. An instant that has
        passed changes nothing."""
        ended: list[Passage] = []
        while self.now_s < now_s or (self._frames and self.next_change_s() == self.now_s):
            if not self._frames and now_s >= self._boundary_s:
                self._skip(now_s)
                continue
            change_s = self.next_change_s()
            until_s = min(now_s, self._boundary_s if change_s is None else change_s)
            done = [p for p in self._passing() if self._end_s(p) <= until_s]
            self._pass(until_s)
            for passage in done:
                passage.left = 0.0
                passage.ended_s = until_s
                self._remove(passage)
            ended += done
            if until_s >= self._boundary_s:
                self._next_slot()
        return ended

    @property
    def _boundary_s(self) -> float:
        return (self._slot + 1) * self.slot_seconds

    def _passing(self) -> list[Passage]:
        """Frames whose bits pass now."""
        return [passage for of_user in self._frames.values() for passage in _abreast(of_user)]

    def _rate_bps(self, passage: Passage) -> float:
        return passage.efficiency(self._slot) * self.total_hz / self.receivers

    def _end_s(self, passage: Passage) -> float:
        """When a frame would end if nothing changed; infinity where its link has gone down."""
        rate_bps = self._rate_bps(passage)
        return self.now_s + passage.left / rate_bps if rate_bps else math.inf

    def _pass(self, until_s: float) -> None:
        """Let bits pass until an instant before which nothing changes."""
        spent_s = until_s - self.now_s
        if self._frames:
            self._use.busy_s += spent_s
            self._use.receiver_s += spent_s * self.receivers
        for passage in self._passing():
            passage.left = max(0.0, passage.left - spent_s * self._rate_bps(passage))
        self.now_s = until_s

    def _remove(self, passage: Passage) -> None:
        of_user = self._frames[passage.user]
        of_user.remove(passage)
        if not of_user:
            del self._frames[passage.user]
        else:
            self._begin_next(passage.user)

    def _begin_next(self, user: int) -> None:
        """Note that the frames that pass now of a user's do."""
        for passage in _abreast(self._frames[user]):
            if passage.begins_s is None:
                passage.begins_s = self.now_s

    def _next_slot(self) -> None:
        self._count_use()
        self._slot += 1

    def _count_use(self) -> None:
        """Count this slot's use in the mean; the first use is the mean."""
        weight = SMOOTHING if self._mean else 1.0
        self._mean += weight * (self._use.mean - self._mean)
        self._use = _Use()

    def _skip(self, now_s: float) -> None:
        """Go to the slot of an instant behind this slot while nobody receives."""
        slot = self._slot + 1
        if (slot + 1) * self.slot_seconds <= now_s:  # nobody received in the one before
            slot = max(slot, int(now_s // self.slot_seconds))
            while (slot + 1) * self.slot_seconds <= now_s:  # a division may round down
                slot += 1
        self._count_use()
        self._mean *= (1 - SMOOTHING) ** (slot - self._slot - 1)
        self._slot = slot
        self.now_s = max(self.now_s, slot * self.slot_seconds)


def _abreast(of_user: list[Passage]) -> list[Passage]:
    """The frames of a user's that pass at once."""
    return of_user if of_user[0].parallel else of_user[:1]
