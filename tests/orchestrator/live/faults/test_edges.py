"""Edges and learners that fail on purpose, in virtual time: what is lost, what comes back, and the
same twice."""

import json
from pathlib import Path
from typing import Any

import pytest

from midstep.errors import ScenarioError
from midstep.scenario_file import parse
from orchestrator.live.launch import Options
from orchestrator.live.run import run
from orchestrator.records.run_reader import read_run
from tests import paced

CLASS = {"class": "phone", "count": 8, "speed_ratio": 0.5}
Rows = list[dict[str, Any]]


def play(folder: Path, timeline: list[dict[str, Any]], **changes: Any) -> tuple[Rows, Rows]:
    """Rows and slots of a run that ends with status 0, all its rows adding up."""
    tree = paced.tree(devices=[CLASS], timeline=timeline, **{"duration_s": 14, **changes})
    assert run(parse(tree), Options(out=str(folder), report=False, quiet=True)) == 0
    rows, slots = read_run(folder)
    assert all(
        row["edge_steps"] + row["saved_steps"] + row["device_steps"] == 20
        for row in rows
        if row["result"] == "done"
    )
    return rows, slots


def texts(folder: Path) -> list[str]:
    events = json.loads((folder / "summary.json").read_text())["run"]["events"]
    return [event["text"] for event in events]


def hits(rows: Rows, from_s: float, until_s: float) -> int:
    return sum(row["reuse"] == "exact" for row in rows if from_s <= row["arrived_s"] < until_s)


def queue(folder: Path, store: str) -> tuple[Rows, Rows]:
    """A run whose edge has many requests in flight when it restarts, at 6.1 s, for two seconds."""
    restart = {"kind": "restart_edge", "at_s": 6.1, "store": store, "down_s": 2}
    slow = {"kind": "slow_edge", "at_s": 4, "factor": 20, "for_s": 3}
    return play(folder, [restart, slow])


def test_what_a_restarting_edge_has_not_answered_fails_and_devices_ask_until_it_is_back(
    tmp_path: Path,
) -> None:
    rows, slots = queue(tmp_path / "cold", "cold")
    errors = [row["error"] for row in rows if row["result"] == "failed"]
    assert set(errors) == {
        "edge-0 restarted before it had answered",
        "edge-0 does not answer: it restarts",
    }
    assert {row["result"] for row in rows} == {"done", "failed"}
    # what was in flight was answered at once, and nobody is served until it is back
    cut_off = [row for row in rows if str(row["error"]).startswith("edge-0 restarted")]
    assert all(row["arrived_s"] <= 6.1 and row["slot"] == 6 for row in cut_off)
    served = [row["arrived_s"] for row in rows if row["result"] == "done"]
    assert not [at for at in served if 6.1 <= at < 8.1]
    assert [at for at in served if at > 9]
    assert [slot["slot"] for slot in slots if slot["edge_queue"] is None] == [6, 7]
    assert texts(tmp_path / "cold")[1:3] == [
        "restart_edge: edge-0, with an empty store; down for 2 s",
        "slow_edge: ticks as before at edge-0",
    ]
    assert "edge-0 serves again after 2.0 s, with 0 outputs" in texts(tmp_path / "cold")


def test_a_warm_edge_serves_what_it_held_and_a_cold_one_must_compute_it_again(
    tmp_path: Path,
) -> None:
    cold, _ = queue(tmp_path / "cold", "cold")
    warm, _ = queue(tmp_path / "warm", "warm")
    on_disk, _ = play(
        tmp_path / "disk",
        [{"kind": "restart_edge", "at_s": 6.1, "store": "warm", "down_s": 2}],
        edges=[{"capacity": "64KiB", "staging": "256KiB", "disk": "1MiB"}],
    )
    assert "edge-0 serves again after 2.0 s, with 8 outputs" in texts(tmp_path / "warm")
    assert hits(warm, 8.1, 9.1) > hits(cold, 8.1, 9.1)
    # memory was written to the disk, and what the disk held before is there, too
    assert hits(on_disk, 8.1, 9.1) >= hits(warm, 8.1, 9.1)
    back = next(text for text in texts(tmp_path / "disk") if "serves again" in text)
    assert int(back.split()[-2]) > 8


@pytest.mark.parametrize("policy", ["lru", "s3-fifo", "drc"])
def test_a_policy_goes_on_with_the_store_that_it_has(policy: str, tmp_path: Path) -> None:
    rows, slots = play(
        tmp_path / "run",
        [
            {"kind": "wipe", "at_s": 3.5},
            {"kind": "capacity", "at_s": 6.1, "capacity": "20KiB", "for_s": 3},
        ],
        policy={"name": policy},
    )
    held = [slot["store_entries"] for slot in slots]
    assert held[2] == 8
    assert held[3] < 8
    assert held[6:9] == [2, 2, 2]
    assert max(held[10:]) > 6
    # no slot in which the policy goes by a store that is not there
    assert all(slot["admitted"] for slot in slots[4:6])
    assert hits(rows, 9.5, 14) > 5


def test_a_learner_that_pauses_decides_nothing_and_then_catches_up(tmp_path: Path) -> None:
    rows, slots = play(tmp_path / "run", [{"kind": "pause_learner", "at_s": 4.5, "seconds": 4}])
    assert [slot["slot"] for slot in slots if slot["store_entries"] is None] == [4, 5, 6, 7]
    assert all(slot["late_s"] in (0, None) for slot in slots)  # no slot waits for it
    assert slots[8]["admitted"] > 5
    assert {row["result"] for row in rows} == {"done"}


def test_a_learner_killed_by_an_event_is_followed_by_another_and_counts_as_no_death(
    tmp_path: Path,
) -> None:
    kill = {"kind": "kill", "part": "learner", "at_s": 11.5}
    _, slots = play(tmp_path / "run", [kill], policy={"name": "drc"}, duration_s=18)
    assert texts(tmp_path / "run") == [
        "kill: the learner, at once",
        "the learner died: the edge goes on with the last plan, another learner is started",
        "another learner goes on from its state after slot 9",
    ]
    assert [slot["slot"] for slot in slots if slot["store_entries"] is None] == [11]


def test_a_run_with_every_fault_leaves_the_same_record_twice(tmp_path: Path) -> None:
    timeline = [
        {"kind": "restart_edge", "at_s": 3, "every_s": 4, "chance": 0.7, "down_s": 0.5},
        {"kind": "slow_edge", "at_s": 2, "factor": 8, "for_s": 3},
        {"kind": "capacity", "at_s": 7.2, "capacity": "30KiB", "for_s": 2},
        {"kind": "kill", "part": "learner", "at_s": 5},
        {"kind": "pause_learner", "at_s": 8.1, "seconds": 2},
        {"kind": "wipe", "when": {"metric": "failed", "above": 0}},
    ]
    first = play(tmp_path / "a", timeline)
    second = play(tmp_path / "b", timeline)
    assert texts(tmp_path / "a") == texts(tmp_path / "b")
    assert len(texts(tmp_path / "a")) > 8
    assert first == second


@pytest.mark.parametrize(
    ("event", "text"),
    [
        ({"part": "learner", "name": "edge-7"}, "timeline.0.name: there is no edge edge-7; the"),
        ({"part": "host"}, "timeline.0: kill does not work in virtual time"),
    ],
)
def test_a_kill_that_finds_nobody_is_refused(event: dict[str, Any], text: str) -> None:
    with pytest.raises(ScenarioError, match=text):
        parse(paced.tree(timeline=[{"kind": "kill", "at_s": 1, **event}]))


def test_a_coupled_edge_restarts(tmp_path: Path) -> None:
    rows, slots = play(
        tmp_path / "run",
        [{"kind": "restart_edge", "at_s": 4.05, "down_s": 1}],
        workload={"catalogue_size": 20, "arrivals": {"slotted": {"per_user": 1}}},
        policy={"name": "drc", "timing": "reactive"},
        modes={**paced.TREE["modes"], "edge": "coupled"},
        duration_s=10,
    )
    results = {
        slot: {row["result"] for row in rows if int(row["due_s"]) == slot} for slot in range(10)
    }
    assert results[5] == {"failed"}
    assert all(results[slot] == {"done"} for slot in (*range(4), *range(6, 10)))
    assert [slot["admitted"] is None for slot in slots[4:6]] == [True, False]
