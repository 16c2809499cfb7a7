"""Rows of a small record."""

from midstep.telemetry.record import RequestRow
from orchestrator.records.rows import SlotRow


def row(number: int, **changes: object) -> RequestRow:
    columns = dict(
        prompt="a small panda",
        edge_prompt="a panda",
        prompt_key="k",
        result="done",
        reuse="computed",
        edge_steps=6,
        saved_steps=0,
        device_steps=14,
        queue_s=0.1,
        edge_s=0.2,
        transfer_s=0.4,
        device_s=2.0,
        overhead_s=0.01,
        total_s=2.71,
        frame_bytes=500_000,
        link_rate_bps=1e7,
        transfer_late_s=0.001,
        device_late_s=0.001,
    )
    return RequestRow(
        request_id=f"r-{number}",
        edge="edge-0",
        user=number,
        device_class="phone",
        process_id=1,
        **{**columns, **changes},  # type: ignore[arg-type]
    )


def slot(number: int, late: float | None = 0.0) -> SlotRow:
    return SlotRow(
        slot=number,
        start_s=float(number),
        requests=1,
        hits=0,
        misses=1,
        latency_avg_s=2.7,
        system_cost_s=2.7,
        late_s=late,
        queue_s=0.0,
        store_bytes=100,
    )
