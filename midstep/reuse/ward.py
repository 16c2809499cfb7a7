"""The classes of reuse of one quality: what was counted of them, the tests that lower their
ceilings, and what raises these again."""

from __future__ import annotations

from dataclasses import dataclass

from midstep.reuse.evidence import BadShareTest
from midstep.reuse.proportions import all_right, wilson

__all__ = ["MOST", "ReuseClass", "Ward", "shares"]

MOST = 64
"""Qualities, and classes of each, that are watched: more are none of this program's devices."""


def shares(number: int) -> float:
    """Part of a probability that the test of this number, from 1 on, may spend: all of them
    together spend it once, however many there will be."""
    return 1 / (number * (number + 1))


@dataclass(eq=False)
class Tally:
    """Good and bad pictures."""

    good: int = 0
    bad: int = 0

    @property
    def count(self) -> int:
        return self.good + self.bad

    def add(self, good: bool) -> None:
        """One picture more."""
        if good:
            self.good += 1
        else:
            self.bad += 1


class Ward:
    """All classes of one quality. Three tests look at a picture: its step's, its class's, and that
    of all together, which finds a table of another model before any class alone could. Each kind
    of test spends a third of the level.

    A class that was lowered to where it is not served at all has no pictures to rise by. It gets a
    trial: it rises by a step as if the pictures of all classes were its own, one such class at a
    time, and all pictures that come of that are checked. So the bad ones of trials are few beside
    those that were counted good, whatever the number of classes.
    """

    def __init__(self, allowed: float, level: float) -> None:
        self.kinds: dict[str, ReuseClass] = {}
        self._allowed = allowed
        self._level = level / 3
        self._rounds = 0
        self._calm = Tally()  # since a ceiling was last lowered, or a class got a trial
        self._all = self._fresh()

    def _fresh(self) -> BadShareTest:
        self._rounds += 1
        return BadShareTest(self._allowed, self._level * shares(self._rounds))

    def observe(self, kind: str, step: int, good: bool) -> bool:
        """Count a picture; whether a ceiling was lowered for it."""
        known = self.kinds.get(kind)
        if known is None:
            if len(self.kinds) == MOST:
                return False
            level = self._level * shares(len(self.kinds) + 1)
            known = self.kinds[kind] = ReuseClass(self._allowed, level)
        if not known.count(step, good):
            return False
        self._all.count(not good)
        lowered = self._lower(known, step)
        if lowered:
            self._calm = Tally()
        else:
            self._try(known, good)
        return lowered

    def _lower(self, known: ReuseClass, step: int) -> bool:
        """Lower what a test refutes; whether one did."""
        if self._all.alarmed:
            self._all = self._fresh()
            lowered = [one.lower_if_bad() for one in self.kinds.values()]
            return any(lowered)
        if known.alarmed(step):
            self._all = self._fresh()
            return True
        return False

    def _try(self, known: ReuseClass, good: bool) -> None:
        """Count a picture for the classes that have none, and raise one of them where so many were
        good that it may be tried: of several the one that was lowered least."""
        self._calm.add(good)
        silent = []
        for one in self.kinds.values():
            if one is not known:
                one.waited += 1
            if one.silent:
                silent.append(one)
        if not good or not silent:
            return
        chosen = min(silent, key=lambda one: one.needed)
        calm = self._calm
        if calm.count >= chosen.needed and wilson(calm.good, calm.count)[0] >= 1 - self._allowed:
            chosen.rise()
            self._calm = Tally()


class ReuseClass:
    """One class: what was counted, its tests and its ceiling. `waited`: pictures of other classes
    that were counted since its own last one, or since its ceiling is what it is."""

    def __init__(self, allowed: float, level: float) -> None:
        self.ceiling: int | None = None
        self.steps: dict[int, Tally] = {}  # since the run's start
        self.waited = 0
        self._allowed = allowed
        self._level = level
        self._rounds = 0  # of the test over all steps
        self._tests = 0  # of single steps
        self._lowered = 0
        self._begin()

    def _begin(self) -> None:
        """Begin anew below, or with, another ceiling."""
        self._recent: dict[int, Tally] = {}
        self._at: dict[int, BadShareTest] = {}
        self._rounds += 1
        self._over_all = BadShareTest(self._allowed, self._level * shares(self._rounds))
        self.waited = 0

    def checked_from(self, step: int) -> int:
        """Pictures from this step on, up to the ceiling, since it is what it is: what is good at a
        later step would have been at this one."""
        return sum(tally.count for at, tally in self._recent.items() if at >= step)

    def count(self, step: int, good: bool) -> bool:
        """Count a picture; whether it is one for the tests. It is not where it comes from beyond
        the ceiling, handed over before that was lowered; nor below a ceiling of 0: step 1 of a
        prompt's own output serves all the same, is known to be bad, and can only prove to be
        good."""
        self.steps.setdefault(step, Tally()).add(good)
        if self.ceiling is not None and step > max(1, self.ceiling):
            return False
        self.waited = 0
        self._recent.setdefault(step, Tally()).add(good)
        tested = self.ceiling != 0
        if tested:
            test = self._at.get(step)
            if test is None:
                self._tests += 1
                level = self._level * shares(self._tests)
                test = self._at[step] = BadShareTest(self._allowed, level)
            test.count(not good)
            self._over_all.count(not good)
        if good and self._may_rise and self._proved():
            self.rise()
        return tested

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

    @property
    def needed(self) -> int:
        """Pictures that raise the ceiling by a step, if all are good: twice as many for each time
        that it was lowered."""
        return all_right(1 - self._allowed) << self._lowered

    @property
    def silent(self) -> bool:
        """Whether it was lowered, and has had no picture for so long that it may be tried."""
        return self._may_rise and self.waited >= self.needed

    def rise(self) -> None:
        """Raise the ceiling by a step."""
        assert self.ceiling is not None
        self.ceiling += 1
        self._begin()

    @property
    def _may_rise(self) -> bool:
        """Whether it was lowered, and not yet raised past all steps at which it was ever served."""
        return self.ceiling is not None and self.ceiling <= max(self.steps)

    def _proved(self) -> bool:
        """Whether the pictures at the furthest steps at which it was served since the ceiling is
        what it is prove the share: all at the very furthest, and of those before it as many as
        fill them up to the needed ones, or to half of all, so that a few bad ones of a step that
        is not served any more do not count for ever."""
        total = sum(tally.count for tally in self._recent.values())
        if total < self.needed:
            return False
        wanted = max(self.needed, total / 2)
        good = 0.0
        count = 0.0
        for step in sorted(self._recent, reverse=True):
            tally = self._recent[step]
            part = min(1.0, (wanted - count) / tally.count) if count else 1.0
            good += part * tally.good
            count += part * tally.count
            if count >= wanted:
                break
        return wilson(good, count)[0] >= 1 - self._allowed
