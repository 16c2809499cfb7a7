"""Which cells, class of request by step, are decided, and which pairs have to be drawn yet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from midstep.reuse.proportions import all_right, wilson

__all__ = ["MOST", "Target", "Values", "decision", "looks", "wanted"]

MOST = 1200  # pairs of a cell
# of the count that suffices where all are right; a little more, where some pairs do not count
FRACTIONS = (1 / 6, 1 / 2, 1, 1.04, 3 / 2, 2)

# (class, pair, step) -> metric -> value; step 0: the picture without reuse
Values = Mapping[tuple[str, int, int], Mapping[str, float]]


@dataclass(frozen=True)
class Target:
    """What is decided of each cell: whether P(metric >= floor) >= share, and also for the shares of
    `also`. `metrics` by class. Fewer than `least` pairs decide nothing: users ask for other floors
    and metrics of the same pairs."""

    metrics: Mapping[str, str]
    floors: Mapping[str, float]
    share: float
    also: tuple[float, ...] = ()
    least: int = 0

    def outcome(self, right: int, count: int) -> bool | None:
        """Whether a cell reaches one of the shares; None where that is open yet for one of
        them."""
        outcomes = [decision(right, count, share) for share in (self.share, *self.also)]
        return None if None in outcomes else any(outcomes)

    def counts(self, kind: str, without_reuse: Mapping[str, float] | None) -> bool:
        """Whether a pair says anything about reuse: what the model cannot draw without it, by the
        values of that picture where there are any, is no fault of reuse."""
        if self.metrics[kind] != "fidelity" or without_reuse is None:
            return True
        return self.reached(kind, without_reuse)

    def reached(self, kind: str, values: Mapping[str, float]) -> bool:
        """Whether one picture's values reach the floor."""
        metric = self.metrics[kind]
        return values[metric] >= self.floors[metric]


def looks(share: float, most: int = MOST) -> tuple[int, ...]:
    """The counts at which cells are looked at, ascending, the last one `most`."""
    enough = all_right(share)
    counts = {max(1, round(enough * fraction)) for fraction in FRACTIONS}
    return (*sorted(count for count in counts if count < most), most)


def decision(right: int, count: int, share: float) -> bool | None:
    """Whether a cell reaches `share`, by the 95 % interval; None where that is open yet."""
    low, high = wilson(right, count)
    if low >= share:
        return True
    return False if high < share else None


def wanted(
    values: Values,
    kinds: tuple[str, ...],
    steps: tuple[int, ...],
    target: Target,
    counts: tuple[int, ...],
) -> Iterator[tuple[int, int, dict[str, tuple[int, ...]]]]:
    """The rounds of a calibration of `steps`, ascending, one a look: first pair, pair after the
    last, and the steps of each class that are open, by what `values` hold of the rounds before.
    They are read again when the next round is asked for; what is open depends on nothing else, so
    that an interrupted calibration takes the same way.

    Only pairs that count are counted (Target.counts). A step past one that does not reach the share
    is no longer drawn: no limit goes that far.
    """
    open_steps = dict.fromkeys(kinds, steps)
    first = 0
    for last in counts:
        yield first, last, open_steps
        open_steps = {
            kind: _still_open(values, kind, open_steps[kind], target, last) for kind in kinds
        }
        first = last
        if not any(open_steps.values()):
            return


def _still_open(
    values: Values, kind: str, open_steps: tuple[int, ...], target: Target, count: int
) -> tuple[int, ...]:
    """Steps of a class that are open after `count` pairs."""
    if count < target.least:
        return open_steps
    pairs = [pair for pair in range(count) if target.counts(kind, values.get((kind, pair, 0)))]
    left: list[int] = []
    for step in open_steps:
        right = sum(target.reached(kind, values[kind, pair, step]) for pair in pairs)
        outcome = target.outcome(right, len(pairs))
        if outcome is False:
            break
        if outcome is None:
            left.append(step)
    return tuple(left)
