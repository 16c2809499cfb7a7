"""What a run is recorded by: a request that ended, a slot's row, a slot's progress."""

from __future__ import annotations

from dataclasses import dataclass

from midstep.telemetry.record import RequestRow


@dataclass(frozen=True)
class EndedRequest:
    """A request that ended at a host: its row, and its picture (PNG) where there is one."""

    row: RequestRow
    picture: bytes | None


@dataclass
class SlotRow:
    """One row of slots.parquet; see docs/record.md."""

    slot: int
    start_s: float
    requests: int
    hits: int
    misses: int
    latency_avg_s: float
    system_cost_s: float
    late_s: float | None  # how late the slot's end was noticed; null where nobody waited for it
    queue_s: float | None = (
        None  # Q; this and what follows is null where the learner did not answer
    )
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
    edge_queue: int | None = (
        None  # requests that wait for their first tick, and that are being computed
    )
    edge_in_flight: int | None = None
    drift_plus_penalty: float | None = None  # (33)
    updates: int | None = None  # that the learner has made


@dataclass(frozen=True)
class SlotProgress:
    """A slot in passing, for whoever shows progress."""

    at_s: float
    rows: list[SlotRow]  # one an edge
    hosts: int
    devices: int
