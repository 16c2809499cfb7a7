"""Rows of a run as its watcher reads them, and what it shows of them."""

import io
from typing import Any

from rich.console import Console

from midstep.telemetry.record import STAGES
from orchestrator.watch.run_figures import RunFigures
from orchestrator.watch.screen import Screen

SECONDS = dict.fromkeys((f"{stage}_s" for stage in STAGES), 0.1)


def request(slot: int = 0, **changes: Any) -> dict[str, Any]:
    row = {
        "edge": "edge-0",
        "slot": slot,
        "request_id": "00001-00000",
        "result": "done",
        "reuse": "computed",
        "edge_steps": 6,
        "saved_steps": 0,
        "device_steps": 14,
        "frame_bytes": 1000,
    }
    return {**row, **SECONDS, "transfer_late_s": 0.0005, "device_late_s": 0.0005, **changes}


def slot_row(slot: int, **changes: Any) -> dict[str, Any]:
    row = {
        "slot": slot,
        "requests": 1,
        "hits": 0,
        "late_s": 0.001,
        "queue_s": 0.5,
        "decision_s": 0.002,
    }
    return {**row, "edge": "edge-0", **changes}


def text(figures: RunFigures, state: str = "running") -> str:
    console = Console(file=io.StringIO(), width=120)
    console.print(Screen(figures, state))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()
