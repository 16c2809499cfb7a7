"""Keep the promised quality of reuse: how many of the reused pictures that were made again without
reuse were good, and how far outputs may be reused after that."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from midstep.reuse.proportions import all_right
from midstep.reuse.ward import MOST, Ward, shares
from midstep.wire.messages import Quality

__all__ = ["FALSE_ALARMS", "FALSE_ALARMS_OF_FOREIGN", "Count", "Guard"]

FALSE_ALARMS = 0.05
"""Probability at most that a limit is ever lowered while all keep their promise, in a run of any
length, of however many classes and qualities."""

FALSE_ALARMS_OF_FOREIGN = 0.5
"""The same under a table that was measured on another model, which has promised nothing of this
one: it is lowered on a suspicion, and rises again where its pictures allow it."""


class Count(NamedTuple):
    """Reused pictures of a class that were handed over at `step` and made again without reuse."""

    kind: str
    step: int
    good: int
    bad: int


class Guard:
    """Ceilings for classes of reuse (midstep.reuse.classes), by the quality asked for; a class has
    none until its pictures say so.

    They are lowered as soon as a share of bad pictures beyond the allowed one is proved, to the
    half of the step or to what is proved to be right, 0 where not even step 1 is. They are raised
    by a step after as many right ones as prove the share, twice as many for each time that the
    class was lowered: of its own at the furthest steps at which it is served; of a class that is
    not served any more, of all (midstep/reuse/ward.py). `check_share` is the share of pictures to
    check once there is evidence; 0: none is checked, and nothing lowered. `false_alarms` is
    FALSE_ALARMS, or that of a foreign table.

    `unwatched` counts the pictures of qualities beyond the first MOST, which nobody watches.
    """

    def __init__(self, check_share: float, false_alarms: float = FALSE_ALARMS) -> None:
        self.check_share = check_share
        self._false_alarms = false_alarms
        self.unwatched = 0
        self._wards: dict[Quality, Ward] = {}

    def limit(self, kind: str, quality: Quality, limit: int) -> int:
        """The last step at which an output may serve, 0: none, where `limit` was measured."""
        ceiling = self.ceiling(kind, quality)
        return limit if ceiling is None else min(limit, ceiling)

    def ceiling(self, kind: str, quality: Quality) -> int | None:
        """What the class was lowered to, None where it was not."""
        ward = self._wards.get(quality)
        known = None if ward is None else ward.kinds.get(kind)
        return None if known is None else known.ceiling

    def probability(self, kind: str, quality: Quality, step: int) -> float:
        """With which probability a picture that was handed over at `step` is to be checked: 1 until
        the share could be proved, half of it after each such number more."""
        ward = self._wards.get(quality)
        known = None if ward is None else ward.kinds.get(kind)
        if known is None or self.check_share == 0:
            return float(self.check_share > 0)
        looks = known.checked_from(step) // all_right(quality.share)
        return max(self.check_share, 0.5**looks)

    def observe(self, kind: str, quality: Quality, step: int, good: bool) -> bool:
        """Count a checked picture; whether a ceiling was lowered for it."""
        ward = self._wards.get(quality)
        if ward is None:
            if len(self._wards) == MOST:
                self.unwatched += 1
                return False
            level = self._false_alarms * shares(len(self._wards) + 1)
            ward = self._wards[quality] = Ward(1 - quality.share, level)
        return ward.observe(kind, step, good)

    def counts(self, quality: Quality) -> Iterator[Count]:
        """What was counted for a quality, class by class, step by step."""
        ward = self._wards.get(quality)
        for kind, known in () if ward is None else ward.kinds.items():
            for step in sorted(known.steps):
                tally = known.steps[step]
                yield Count(kind, step, tally.good, tally.bad)

    def ceilings(self, quality: Quality) -> Iterator[tuple[str, int]]:
        """The classes that were lowered, and to which step."""
        ward = self._wards.get(quality)
        for kind, known in () if ward is None else ward.kinds.items():
            if known.ceiling is not None:
                yield kind, known.ceiling

    @property
    def qualities(self) -> tuple[Quality, ...]:
        """What was asked for by those whose pictures were counted."""
        return tuple(self._wards)
