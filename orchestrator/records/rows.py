"""Rows of a run's record: a request that ended, a slot's row, an event, a slot's progress."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

from midstep.telemetry.record import RequestRow

__all__ = ["CheckRow", "EndedRequest", "EventRow", "SlotProgress", "SlotRow", "TickRow"]


@dataclass(frozen=True)
class EndedRequest:
    """A request that ended at a host: its row, and its picture (PNG) where there is one. `again`:
    the row comes once more, with what a check of its picture has found."""

    row: RequestRow
    picture: bytes | None
    again: bool = False


@dataclass(frozen=True, kw_only=True)
class CheckRow:
    """What a check of a picture has found: columns of its request's row."""

    request_id: str
    psnr_db: float | None
    ssim: float | None
    fidelity: float | None
    quality_kept: float | None

    @classmethod
    def of(cls, row: RequestRow) -> CheckRow:
        """Take them from the row."""
        return cls(**{field.name: getattr(row, field.name) for field in fields(cls)})


@dataclass(kw_only=True)
class SlotRow:
    """One row of slots.parquet; see docs/record.md. What the learner says is null where it did not
    answer."""

    slot: int
    start_s: float
    requests: int
    hits: int
    misses: int
    latency_avg_s: float
    system_cost_s: float
    late_s: float | None  # of the slot's end; null where no slot's end was waited for
    queue_s: float | None = None  # Q of (23), from the learner; so are those below, down to k
    store_bytes: int | None = None
    store_entries: int | None = None
    admitted: int | None = None
    evicted: int | None = None
    decision_s: float | None = None
    gap_to_exact: float | None = None
    loss: float | None = None
    k: int | None = None
    edge: str = "edge-0"
    users: int | None = None  # devices that ask the edge, at the slot's end
    edge_queue: int | None = None  # requests that wait for their first tick
    edge_in_flight: int | None = None  # requests that are being computed
    drift_plus_penalty: float | None = None  # (33), from the learner
    updates: int | None = None  # of the learner's model, so far


@dataclass(frozen=True, kw_only=True)
class EventRow:
    """One line of events.jsonl: something that a reader of the report should know. Of an event of
    the timeline also its `kind`, its `place` there, and the `phase`: it `happened`, what it did is
    `over`, or it `failed`."""

    at_s: float
    text: str
    kind: str | None = None
    place: int | None = None
    phase: str | None = None


@dataclass(frozen=True, kw_only=True)
class TickRow:
    """One row of ticks.parquet: a tick of an edge's engine (midstep.telemetry.ticks)."""

    edge: str
    start_s: float
    tick_s: float
    step_s: float
    batch: int


@dataclass(frozen=True)
class SlotProgress:
    """A slot that ended, for whoever follows a run: its rows, one an edge, and the requests that
    ended since the one before."""

    at_s: float
    rows: list[SlotRow]  # one an edge
    hosts: int
    devices: int
    requests: Sequence[RequestRow] = ()
