"""Reconciliation of a run's record with what its edges counted, and of its verdict with what its
deaths cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from midstep.telemetry.record import RequestRow

__all__ = ["answers_lines", "died", "loss_line"]


def answers_lines(
    answers: Mapping[str, int], rows: Iterable[RequestRow], restarted: Iterable[str] = ()
) -> list[str]:
    """Where an edge's count of the answers that it gave is not that of the rows that have one, a
    line each; `answers` by edge, of those that lived until the end. An edge that has `restarted`
    counts from 0 again and is left out."""
    recorded = Counter(row.edge for row in rows if row.reuse is not None)
    lines = []
    for edge, count in answers.items():
        have = recorded[edge]
        if edge in restarted or count == have:
            continue
        if count > have:
            what = f"{count - have} reached no device that lived to use them"
        else:
            what = f"{have - count} rows have an answer that it did not give"
        lines.append(f"{edge} counted {count} answers, the record has {have}: {what}")
    return lines


def died(who: str) -> str:
    """The reason of a request whose end nobody saw, as `who` died."""
    return f"{who} died before it was finished"


def loss_line(rows: Iterable[Mapping[str, Any]], who: str) -> str | None:
    """What the death of `who`, names in words, has cost the record: requests whose end nobody saw,
    and those that were never sent; None where it cost nothing."""
    counts = Counter(row["result"] for row in rows)
    parts = [
        f"{counts[result]} requests {what}"
        for result, what in (("failed", "in flight were lost"), ("dropped", "were never sent"))
        if counts[result]
    ]
    if not parts:
        return None
    return f"{' and '.join(parts)} as {who} died"
