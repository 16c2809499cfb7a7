"""Sequential test of a share of bad pictures: one may look after every picture, and the chance of a
false alarm stays what it was chosen to be, however long it runs."""

from __future__ import annotations

from math import exp, log, log1p

__all__ = ["BadShareTest"]

# Odds of a bad picture under the alternatives, in multiples of those at the allowed share: twice as
# bad is found slowly, and what is bad throughout after a handful of pictures.
ODDS = (1.5, 2.5, 4.0, 8.0, 20.0, 60.0, 200.0)


class BadShareTest:
    """Tests that at most a share `allowed` of pictures is bad. The evidence against it is the
    likelihood ratio of a mixture of worse shares (ODDS, equal weights): while the share is kept it
    is a supermartingale that begins at 1, so that it ever reaches 1 / `level` with a probability of
    `level` at most (Ville's inequality)."""

    def __init__(self, allowed: float, level: float) -> None:
        self.good = 0
        self.bad = 0
        self._threshold = -log(level)
        self._ratios: list[tuple[float, float]] = []  # log-likelihood of a bad, a good picture
        for odds in ODDS:
            worse = odds * allowed / (1 - allowed + odds * allowed)
            self._ratios.append((log(worse / allowed), log1p(-worse) - log1p(-allowed)))

    def count(self, bad: bool) -> None:
        """One picture more."""
        if bad:
            self.bad += 1
        else:
            self.good += 1

    @property
    def evidence(self) -> float:
        """Log of the likelihood ratio against the share; 0 where nothing was counted."""
        logs = [self.bad * bad + self.good * good for bad, good in self._ratios]
        top = max(logs)
        return top + log(sum(exp(one - top) for one in logs) / len(logs))

    @property
    def alarmed(self) -> bool:
        """Whether the share is refuted."""
        return self.bad > 0 and self.evidence >= self._threshold
