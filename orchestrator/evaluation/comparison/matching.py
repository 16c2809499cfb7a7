"""Requests of two runs that are the same: one user's, of one number, at one instant, for one
prompt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["COLUMNS", "SAME_SHARE", "Matching", "Row", "match"]

Row = Mapping[str, Any]

# share of the larger run's requests that must be met again before means are paired by request:
# where half of them differ, the other half is the runs' quiet beginning
SAME_SHARE = 0.9
# a column that holds when a request was due, and how far two runs may be apart in it, seconds:
# `due_s` is drawn, `arrived_s` is noticed by a host that may be late
INSTANTS = (("due_s", 1e-6), ("arrived_s", 0.05))
WORDS = ("user", "prompt", "variation_seed")
COLUMNS = ("request_id", *WORDS, *(column for column, _ in INSTANTS))


@dataclass(frozen=True, kw_only=True)
class Matching:
    """Pairs of rows that are one request, in the order in which it was due; how many rows each run
    has; and how many of one number were due at another instant, or asked for something else."""

    pairs: Sequence[tuple[Row, Row]]
    first: int
    second: int
    other_instant: int
    other_words: int

    @property
    def share(self) -> float:
        """Pairs over the requests of the run that has more."""
        return len(self.pairs) / max(self.first, self.second, 1)

    @property
    def same(self) -> bool:
        """Whether the two runs met the same requests."""
        return self.share >= SAME_SHARE

    @property
    def done(self) -> list[tuple[Row, Row]]:
        """The pairs that both runs finished."""
        return [pair for pair in self.pairs if all(row["result"] == "done" for row in pair)]

    def line(self) -> str:
        """How many are the same, and what is different about the others."""
        most = max(self.first, self.second)
        text = f"{len(self.pairs)} of {most} requests are the same"
        reasons = []
        if self.other_instant:
            reasons.append(f"{self.other_instant} came at another instant")
        if self.other_words:
            reasons.append(f"{self.other_words} ask for something else")
        lacking = most - len(self.pairs) - self.other_instant - self.other_words
        if lacking > 0:
            reasons.append(f"{lacking} are in one run only")
        return f"{text} ({', '.join(reasons)})" if reasons else text


def match(first: Sequence[Row], second: Sequence[Row]) -> Matching:
    """The requests of two runs that are the same: equal `request_id` (a user and the number of its
    request), prompt and variation, due at the same instant."""
    others = {row["request_id"]: row for row in second}
    pairs: list[tuple[float, Row, Row]] = []
    other_instant = 0
    other_words = 0
    for row in first:
        other = others.get(row["request_id"])
        if other is None:
            continue
        at_s, apart_s, tolerance_s = _instants(row, other)
        if any(row.get(name) != other.get(name) for name in WORDS):
            other_words += 1
        elif apart_s > tolerance_s:
            other_instant += 1
        else:
            pairs.append((at_s, row, other))
    pairs.sort(key=lambda pair: (pair[0], pair[1]["request_id"]))
    return Matching(
        pairs=[(row, other) for _, row, other in pairs],
        first=len(first),
        second=len(second),
        other_instant=other_instant,
        other_words=other_words,
    )


def _instants(row: Row, other: Row) -> tuple[float, float, float]:
    """When the first of two rows was due, how far the other one is from it, and how far it may be,
    seconds."""
    for column, tolerance_s in INSTANTS:
        at_s = row.get(column)
        other_s = other.get(column)
        if at_s is not None and other_s is not None:
            return at_s, abs(at_s - other_s), tolerance_s
    return 0.0, float("inf"), 0.0
