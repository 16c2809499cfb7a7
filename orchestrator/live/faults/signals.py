"""Figures of the slot that has just ended, for the conditions of events."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from midstep.events import Signal
from midstep.wire.messages import HITS
from orchestrator.records.rows import SlotProgress, SlotRow
from orchestrator.records.statistics import nearest_rank

__all__ = ["signals"]


def signals(progress: SlotProgress) -> dict[Signal, float | None]:
    """`midstep.events.SIGNALS` of a slot; None where the slot says nothing of one."""
    done = [row for row in progress.requests if row.result == "done"]
    return {
        "requests": len(progress.requests),
        "failed": len(progress.requests) - len(done),
        "hit_ratio": sum(row.reuse in HITS for row in done) / len(done) if done else None,
        "p95_s": nearest_rank([row.total_s for row in done if row.total_s is not None], 95),
        "queue": _of_edges(progress.rows, "edge_queue", sum),
        "in_flight": _of_edges(progress.rows, "edge_in_flight", sum),
        "backlog_s": _of_edges(progress.rows, "queue_s", max),
        "users": progress.devices,
    }


def _of_edges(
    rows: Iterable[SlotRow], column: str, reduce: Callable[[list[float]], float]
) -> float | None:
    known = [value for row in rows if (value := getattr(row, column)) is not None]
    return float(reduce(known)) if known else None
