"""The shipped scenario of faults: ten events, each seen, and the same record each time."""

import json
from pathlib import Path
from typing import Any

from midstep.scenario_file import load
from orchestrator.live.launch import Options
from orchestrator.live.run import run
from orchestrator.records.run_reader import read_run

SMALL = [
    "modes.clock=virtual",
    "modes.wire=inprocess",
    "policy.name=lru",
    "devices.0.count=5",
    "devices.1.count=3",
]


def play(folder: Path) -> tuple[list[bytes], dict[str, Any]]:
    """The files of the rows, and the summary."""
    assert run(load("faults", SMALL), Options(out=str(folder), report=False)) == 0
    tables = [(folder / f"{name}.parquet").read_bytes() for name in ("requests", "slots")]
    return tables, json.loads((folder / "summary.json").read_text())


def test_ten_events_leave_the_same_record_twice(tmp_path: Path) -> None:
    first, summary = play(tmp_path / "a")
    second, again = play(tmp_path / "b")
    assert first == second
    for one in (summary, again):
        del one["run"]["wall_s"], one["run"]["cpu_share"]  # of the machine
    assert summary == again

    assert summary["verdict"] == "VALID"
    kinds = {event.kind for event in load("faults").timeline}
    assert {effect["kind"] for effect in summary["effects"]} == kinds
    assert len(summary["effects"]) == 10
    rows, _ = read_run(tmp_path / "a")
    assert len({row["request_id"] for row in rows}) == len(rows)
    for row in rows:
        assert row["result"] in ("done", "failed") and (row["error"] or row["result"] == "done")
        if row["result"] == "done":
            assert row["edge_steps"] + row["saved_steps"] + row["device_steps"] == 20
