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
# what the machine takes for it, whatever the time of the run
OF_THE_MACHINE = ("process_id", "decision_s")


def play(folder: Path) -> tuple[list[str], dict[str, Any]]:
    """Request and slot rows as text, and the summary."""
    assert run(load("faults", SMALL), Options(out=str(folder), report=False)) == 0
    requests, slots = read_run(folder)
    lines = [
        json.dumps({name: value for name, value in row.items() if name not in OF_THE_MACHINE})
        for row in (*requests, *slots)
    ]
    return lines, json.loads((folder / "summary.json").read_text())


def test_ten_events_leave_the_same_record_twice(tmp_path: Path) -> None:
    first, summary = play(tmp_path / "a")
    second, again = play(tmp_path / "b")
    assert first == second
    assert summary["run"]["events"] == again["run"]["events"]
    assert summary["effects"] == again["effects"]

    assert summary["verdict"] == "VALID"
    kinds = {event.kind for event in load("faults").timeline}
    assert {effect["kind"] for effect in summary["effects"]} == kinds
    assert len(summary["effects"]) == 10
    rows = [json.loads(line) for line in first if "request_id" in line]
    assert len({row["request_id"] for row in rows}) == len(rows)
    for row in rows:
        assert row["result"] in ("done", "failed") and (row["error"] or row["result"] == "done")
        if row["result"] == "done":
            assert row["edge_steps"] + row["saved_steps"] + row["device_steps"] == 20
