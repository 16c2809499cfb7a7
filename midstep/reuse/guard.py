"""Keep the promised quality of reuse: how many of the reused pictures that were made again without
reuse were good, and how far outputs may be reused after that."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from midstep.reuse.evidence import BadShareTest
from midstep.reuse.proportions import all_right, wilson
from midstep.wire.messages import Quality

__all__ = ["FALSE_ALARMS", "FALSE_ALARMS_OF_FOREIGN", "MOST", "Count", "Guard"]

FALSE_ALARMS = 0.05
"""Probability at most that a limit is ever lowered while all keep their promise, in a run of any
length, of however many classes and qualities."""

FALSE_ALARMS_OF_FOREIGN = 0.5
"""The same under a table that was measured on another model, which has promised nothing of this
one: it is lowered on a suspicion, and rises again if that was wrong."""

MOST = 64
"""Qualities, and classes of each, that are watched: more are none of this program's devices."""


class Count(NamedTuple):
    """Reused pictures of a class that were handed over at `step` and made again without reuse."""

    kind: str
    step: int
    good: int
    bad: int


def _shares(number: int) -> float:
    """Part of a probability that the test of this number, from 1 on, may spend: all of them
    together spend it once, however many there will be."""
    return 1 / (number * (number + 1))


class Guard:
    """Ceilings for classes of reuse (likenesses to a donor, or what a user's own prompt adds), by
    the quality asked for; a class has none until its pictures say so.

    They are lowered as soon as a share of bad pictures beyond the allowed one is proved, to the
    half of the step or to what is proved to be right, and raised by a step after as many right
    ones as prove the share, twice as many for each time that it was lowered. `check_share` is the
    share of pictures to check once there is evidence; 0: none is checked, and nothing lowered.
    `false_alarms` is FALSE_ALARMS, or that of a foreign table.

    `unwatched` counts the pictures of qualities beyond the first MOST, which nobody watches.
    """

    def __init__(self, check_share: float, false_alarms: float = FALSE_ALARMS) -> None:
        self.check_share = check_share
        self._false_alarms = false_alarms
        self.unwatched = 0
        self._wards: dict[Quality, _Ward] = {}

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
            level = self._false_alarms * _shares(len(self._wards) + 1)
            ward = self._wards[quality] = _Ward(1 - quality.share, level)
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


@dataclass(eq=False)
class _Tally:
    good: int = 0
    bad: int = 0

    @property
    def count(self) -> int:
        return self.good + self.bad

    def add(self, good: bool) -> None:
        if good:
            self.good += 1
        else:
            self.bad += 1


class _Ward:
    """All classes of one quality. Three tests look at a picture: its step's, its class's, and that
    of all together, which finds a table of another model before any class alone could. Each kind
    of test spends a third of the level."""

    def __init__(self, allowed: float, level: float) -> None:
        self.kinds: dict[str, _Class] = {}
        self._allowed = allowed
        self._level = level / 3
        self._rounds = 0
        self._all = self._fresh()

    def _fresh(self) -> BadShareTest:
        self._rounds += 1
        return BadShareTest(self._allowed, self._level * _shares(self._rounds))

    def observe(self, kind: str, step: int, good: bool) -> bool:
        known = self.kinds.get(kind)
        if known is None:
            if len(self.kinds) == MOST:
                return False
            level = self._level * _shares(len(self.kinds) + 1)
            known = self.kinds[kind] = _Class(self._allowed, level)
        if not known.count(step, good):  # it was handed over before the ceiling was lowered
            return False
        self._all.count(not good)
        if self._all.alarmed:
            self._all = self._fresh()
            lowered = [one.lower_if_bad() for one in self.kinds.values()]
            return any(lowered)
        if known.alarmed(step):
            self._all = self._fresh()
            return True
        return False


class _Class:
    """One class: what was counted, its tests and its ceiling."""

    def __init__(self, allowed: float, level: float) -> None:
        self.ceiling: int | None = None
        self.steps: dict[int, _Tally] = {}  # since the run's start
        self._allowed = allowed
        self._level = level
        self._rounds = 0  # of the test over all steps
        self._tests = 0  # of single steps
        self._lowered = 0
        self._begin()

    def _begin(self) -> None:
        """Begin anew below, or with, another ceiling."""
        self._recent: dict[int, _Tally] = {}
        self._at: dict[int, BadShareTest] = {}
        self._rounds += 1
        self._over_all = BadShareTest(self._allowed, self._level * _shares(self._rounds))

    def checked_from(self, step: int) -> int:
        """Pictures from this step on, up to the ceiling, since it is what it is: what is good at a
        later step would have been at this one."""
        return sum(tally.count for at, tally in self._recent.items() if at >= step)

    def count(self, step: int, good: bool) -> bool:
        """Count a picture; whether it is from below the ceiling."""
        self.steps.setdefault(step, _Tally()).add(good)
        if self.ceiling is not None and step > self.ceiling:
            return False
        self._recent.setdefault(step, _Tally()).add(good)
        test = self._at.get(step)
        if test is None:
            self._tests += 1
            level = self._level * _shares(self._tests)
            test = self._at[step] = BadShareTest(self._allowed, level)
        test.count(not good)
        self._over_all.count(not good)
        if step == self.ceiling and good:
            self._raise_if_proved(step)
        return True

    def alarmed(self, step: int) -> bool:
        """Lower the ceiling where a test says so; whether one did."""
        test = self._at.get(step)
        if test is not None and test.alarmed:
            self._lower(step)
        elif self._over_all.alarmed:
            self._lower(max(at for at, tally in self._recent.items() if tally.bad))
        else:
            return False
        return True

    def lower_if_bad(self) -> bool:
        """Lower the ceiling where more pictures were bad than are allowed; whether it was."""
        test = self._over_all
        if test.bad <= self._allowed * (test.good + test.bad):
            return False
        self._lower(max(at for at, tally in self._recent.items() if tally.bad))
        return True

    def _lower(self, refuted: int) -> None:
        """Lower the ceiling below a step: to half of it, or to the last step before up to which
        pictures prove that the share is kept."""
        good = 0
        bad = 0
        proved = 0
        for step in sorted(at for at in self.steps if at < refuted):
            good += self.steps[step].good
            bad += self.steps[step].bad
            if wilson(good, good + bad)[0] >= 1 - self._allowed:
                proved = step
        self.ceiling = max(proved, refuted // 2)
        self._lowered += 1
        self._begin()

    def _raise_if_proved(self, step: int) -> None:
        tally = self._recent[step]
        needed = all_right(1 - self._allowed) * 2**self._lowered
        if tally.count >= needed and wilson(tally.good, tally.count)[0] >= 1 - self._allowed:
            self.ceiling = step + 1
            self._begin()
