"""trace.json: slices nest, last as long as the record says, and nothing is left out."""

from __future__ import annotations

import json
import shutil
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from midstep.clock import VirtualClock, run_virtual
from midstep.scenario_file import parse
from midstep.telemetry.ticks import MOST_TICKS, TickLog
from orchestrator.cli import main
from orchestrator.live.launch import Options
from orchestrator.live.run import run
from orchestrator.records import perfetto
from orchestrator.records.frames import record_table
from orchestrator.records.request_slices import lanes, request_slices
from tests import paced
from tests.golden.cases import EDGES

Event = dict[str, Any]
STAGES = ("queue", "edge", "overhead", "transfer", "device")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on two edges, whose users have several requests at once, and of whom some join."""
    path = tmp_path_factory.mktemp("perfetto") / "run"
    tree = paced.tree(
        duration_s=10,
        edges=EDGES,
        workload={
            "catalogue_size": 30,
            "arrivals": {"poisson": {"per_user_per_minute": 60}},
        },
        devices=[{"class": "phone", "count": 3}, {"class": "tablet", "count": 3}],
        policy={"name": "drc-item"},
        timeline=[{"at_s": 5, "users": 8}],
        report={"references": 0, "perfetto": True},
    )
    assert run(parse(tree), Options(out=str(path))) == 0
    return path


@pytest.fixture(scope="module")
def events(folder: Path) -> list[Event]:
    trace = json.loads((folder / "trace.json").read_text())
    assert trace["otherData"]["policy"] == "drc-item"
    everything: list[Event] = trace["traceEvents"]
    return everything


def names(events: list[Event], kind: str) -> dict[int, str]:
    """Names of groups, or of tracks, by number."""
    number = "pid" if kind == "process_name" else "tid"
    return {e[number]: e["args"]["name"] for e in events if e["name"] == kind}


def by_track(events: list[Event]) -> dict[int, list[Event]]:
    tracks = defaultdict(list)
    for event in events:
        if event["ph"] == "X":
            tracks[event["tid"]].append(event)
    return tracks


def test_every_track_nests(events: list[Event]) -> None:
    groups = names(events, "process_name")
    tracks = names(events, "thread_name")
    assert len(tracks) == len({e["tid"] for e in events if e["name"] == "thread_name"})
    assert not set(tracks) & set(groups)  # viewers take a thread of its process's number as main
    several = 0
    for track, slices in by_track(events).items():
        several += tracks[track].endswith("(2)")
        open_ends: list[int] = []
        # a stable sort, as viewers have it: of those that begin together the outer one is first
        for part in sorted(slices, key=lambda e: e["ts"]):
            while open_ends and open_ends[-1] <= part["ts"]:
                open_ends.pop()
            assert not open_ends or part["ts"] + part["dur"] <= open_ends[-1], part
            open_ends.append(part["ts"] + part["dur"])
    assert several  # users whose requests do not wait for each other


def test_requests_last_as_long_as_the_record_says(folder: Path, events: list[Event]) -> None:
    rows = {row["request_id"]: row for row in record_table(folder, "requests").to_pylist()}
    groups = names(events, "process_name")
    tracks = names(events, "thread_name")
    drawn = set()
    for track, slices in by_track(events).items():
        for number, part in enumerate(slices):
            if not part["name"].startswith("request, "):
                continue
            row = rows[part["args"]["request_id"]]
            drawn.add(row["request_id"])
            assert groups[part["pid"]] == f"{row['edge']}: {row['device_class']}"
            assert tracks[track].split(" (")[0] == f"user {row['user']}"
            assert part["dur"] == pytest.approx(1e6 * row["total_s"], abs=1)
            assert part["ts"] + part["dur"] == pytest.approx(
                1e6 * (row["arrived_s"] + row["total_s"]), abs=1
            )
            spent = dict.fromkeys(STAGES, 0)
            for inner in slices[number + 1 :]:
                if inner["name"].startswith("request, "):
                    break
                spent[inner["name"]] = inner["dur"]
            for stage in STAGES:
                assert spent[stage] == pytest.approx(1e6 * row[f"{stage}_s"], abs=1), stage
            for stage in ("transfer", "device"):
                assert spent.get(f"{stage} wait", 0) == pytest.approx(
                    1e6 * row[f"{stage}_wait_s"], abs=1
                )
    assert drawn == set(rows)


def test_ticks_account_for_every_step_of_the_edges(folder: Path, events: list[Event]) -> None:
    tracks = names(events, "thread_name")
    requests = record_table(folder, "requests")
    for edge in ("station", "campus"):
        engine = [
            part
            for track, slices in by_track(events).items()
            for part in slices
            if tracks[track] == "engine" and names(events, "process_name")[part["pid"]] == edge
        ]
        rows = [row for row in requests.to_pylist() if row["edge"] == edge]
        assert sum(tick["args"]["batch"] for tick in engine) == sum(r["edge_steps"] for r in rows)
        assert max(tick["args"]["batch"] for tick in engine) > 1
        assert all(
            tick["dur"] == pytest.approx(1e6 * tick["args"]["step_s"], abs=1) for tick in engine
        )


def test_slots_plans_training_events_and_figures_are_there(
    folder: Path, events: list[Event]
) -> None:
    slots = record_table(folder, "slots").to_pylist()
    assert sum(e["name"].startswith("slot ") for e in events) == len(slots)
    assert sum(e["name"].startswith("plan: ") for e in events) == len(slots)
    trained = sum(slot["updates"] is not None for slot in slots)
    assert sum(e["name"] == "training" for e in events) == trained
    happened = json.loads((folder / "summary.json").read_text())["run"]["events"]
    shown = {e["name"] for e in events if e["ph"] == "i"}
    assert happened and {event["text"] for event in happened} <= shown
    counters = [e for e in events if e["name"] == "store, bytes"]
    assert [e["args"]["value"] for e in counters if e["pid"] == counters[0]["pid"]] == [
        slot["store_bytes"] for slot in slots if slot["edge"] == "station"
    ]


def test_a_report_writes_it_again_and_without_ticks_where_none_were_recorded(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (folder / "trace.json").read_text()
    assert main(["report", str(folder), "--perfetto"]) == 0
    assert (folder / "trace.json").read_text() == before
    assert capsys.readouterr().out.splitlines()[-1] == str(folder / "trace.json")
    shutil.copytree(folder, tmp_path / "plain", ignore=shutil.ignore_patterns("t*", "images"))
    trace = json.loads(perfetto.write(tmp_path / "plain").read_text())
    assert "engine" not in names(trace["traceEvents"], "thread_name").values()


def test_a_request_is_drawn_as_far_as_it_came() -> None:
    row: Event = {
        **{f"{stage}_s": None for stage in STAGES},
        "arrived_s": 1.0,
        "result": "failed",
        "reuse": None,
        "error": "the edge died",
    }
    assert list(request_slices(row)) == []
    row |= {"queue_s": 0.5, "edge_s": 0.25, "reuse": "computed"}
    assert [(s.name, s.start_us, s.end_us) for s in request_slices(row)] == [
        ("request, computed", 1_000_000, 1_750_000),
        ("queue", 1_000_000, 1_500_000),
        ("edge", 1_500_000, 1_750_000),
    ]
    # an open arrival counts from when it was due
    row |= {"arrival_late_s": 0.1, "think_s": None}
    assert [(s.name, s.start_us) for s in request_slices(row)][1:3] == [
        ("late", 900_000),
        ("queue", 1_000_000),
    ]


def test_lanes_are_as_few_as_can_be() -> None:
    tracks = np.array([1, 0, 0, 0, 1])
    starts = np.array([0, 5, 0, 10, 4])
    ends = np.array([4, 12, 10, 20, 9])
    assert lanes(tracks, starts, ends).tolist() == [0, 1, 0, 0, 0]


def test_ticks_that_nobody_collects_are_bounded() -> None:
    async def tick() -> list[Any]:
        log = TickLog(VirtualClock(), lambda *_: None)
        for batch in range(MOST_TICKS + 3):
            log(batch, 0.0, 0.0)
        return log.drain() + log.drain()

    ticks = run_virtual(tick())
    assert len(ticks) == MOST_TICKS and ticks[0].batch == 3
