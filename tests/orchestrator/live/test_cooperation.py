"""Edges that help each other, in runs of virtual time."""

import json
from pathlib import Path
from typing import Any

from midstep.scenario_file import parse
from midstep.telemetry.metrics import REGISTRY
from orchestrator.live.launch import Options
from orchestrator.live.run import run
from orchestrator.records.run_reader import read_run
from tests import paced

POISSON = {"catalogue_size": 30, "arrivals": {"poisson": {"per_user_per_minute": 90}}}


def play(folder: Path, mbps: float, **changes: Any) -> tuple[list[dict[str, Any]], list[str]]:
    """Rows and events of a run of two edges, neighbours of each other."""
    names = ("north", "south")
    line = {"mbps": mbps, "latency_ms": 1}
    edges = [
        {"name": name, "capacity": "64KiB", "neighbours": [other], "backhaul": line}
        for name, other in zip(names, reversed(names), strict=True)
    ]
    devices = [{"class": "laptop", "count": 6, "speed_ratio": 2.0, "bandwidth_mhz": [20, 20]}]
    tree = paced.tree(**{"edges": edges, "devices": devices, "workload": POISSON, **changes})
    assert run(parse(tree), Options(out=str(folder))) == 0
    events = json.loads((folder / "summary.json").read_text())["run"]["events"]
    return read_run(folder)[0], [event["text"] for event in events]


def backhaul_bytes() -> float:
    labels = [("north", "south"), ("south", "north")]
    values = [
        REGISTRY.get_sample_value(
            "midstep_backhaul_bytes_total", {"edge": a, "neighbour": b, "what": "outputs"}
        )
        for a, b in labels
    ]
    return sum(value or 0.0 for value in values)


def test_neighbours_serve_each_other_and_every_byte_is_in_a_row(tmp_path: Path) -> None:
    before = backhaul_bytes()
    rows, _ = play(tmp_path / "run", 100.0)
    lent = [row for row in rows if row["from_edge"]]
    assert {(row["edge"], row["from_edge"]) for row in lent} == {
        ("north", "south"),
        ("south", "north"),
    }
    assert sum(row["backhaul_bytes"] for row in lent) == backhaul_bytes() - before
    for row in rows:
        steps = row["edge_steps"] + row["saved_steps"] + row["device_steps"]
        assert (row["result"], steps) == ("done", 20)
    for row in lent:
        assert 0 < row["backhaul_s"] <= row["queue_s"] + row["edge_s"] + 1e-9
        assert row["reuse"] != "exact" or row["edge_steps"] == 0
    again, _ = play(tmp_path / "again", 100.0)
    assert [row["total_s"] for row in rows] == [row["total_s"] for row in again]
    assert "from a neighbour" in (tmp_path / "run" / "report.html").read_text()


def test_a_slow_backhaul_leaves_the_rows_of_edges_that_have_no_neighbours(tmp_path: Path) -> None:
    slow, _ = play(tmp_path / "slow", 0.01)
    edges = [{"name": name, "capacity": "64KiB"} for name in ("north", "south")]
    alone, _ = play(tmp_path / "alone", 100.0, edges=edges)
    assert not [row for row in slow if row["from_edge"]]
    assert [row["total_s"] for row in slow] == [row["total_s"] for row in alone]


def test_a_neighbour_that_restarts_lends_nothing_meanwhile_and_then_again(tmp_path: Path) -> None:
    restart = {"kind": "restart_edge", "edge": "south", "at_s": 10.5, "down_s": 5, "store": "warm"}
    rows, events = play(tmp_path / "run", 100.0, timeline=[restart])
    lent = [row["arrived_s"] for row in rows if row["from_edge"] == "south"]
    assert not [at_s for at_s in lent if 11 <= at_s < 15.5] and max(lent) > 17
    back = [row["arrived_s"] for row in rows if row["edge"] == "south" and row["from_edge"]]
    assert max(back) > 17
    text = "north: the neighbour south lends nothing (south does not answer: it restarts)"
    assert [event for event in events if event.startswith(text)]
    assert "north: the neighbour south answers again" in events
