"""The account of what a run has lost with hosts that died."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from orchestrator.live.launch import Launch
from orchestrator.live.lost_hosts import LostHost, rows_lost_with
from orchestrator.records.reconciliation import loss_line
from orchestrator.records.recorder import Recorder

__all__ = ["account_for"]


def account_for(
    lost: Sequence[LostHost],
    end_s: float,
    launch: Launch,
    recorder: Recorder,
    announce: Callable[[str], None],
) -> list[str]:
    """Give what was lost with hosts its rows, where users asked until `end_s`, and announce what a
    death that nobody planned has cost: these lines."""
    lines = []
    for host in lost:
        rows = rows_lost_with([host], launch.scenario, launch.requests, recorder.rows, end_s)
        recorder.ended(rows)
        line = loss_line((one.row.dict() for one in rows), host.who)
        if line is not None and not host.planned:
            lines.append(line)
            announce(line)
    return lines
