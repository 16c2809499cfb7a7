"""Users' events in a run of virtual time: what comes and goes is in the rows, and nothing is
lost."""

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

CLASSES = [{"class": "phone", "count": 4}, {"class": "tablet", "count": 3}]


def play(folder: Path, timeline: list[dict[str, Any]], **changes: Any) -> tuple[Any, Any, Any]:
    """Rows, slots and events of a run with a timeline."""
    tree = paced.tree(**{"devices": CLASSES, "duration_s": 40, **changes}, timeline=timeline)
    assert run(parse(tree), Options(out=str(folder), report=False)) == 0
    events = json.loads((folder / "summary.json").read_text())["run"]["events"]
    return *read_run(folder), events


def test_a_class_leaves_and_the_same_devices_return_under_new_numbers(tmp_path: Path) -> None:
    leave = {"kind": "leave", "class": "tablet", "at_s": 10.5, "for_s": 15}
    rows, slots, events = play(tmp_path / "a", [leave])
    assert [slot["users"] for slot in slots[:40]] == [7] * 10 + [4] * 15 + [7] * 15
    assert {row["result"] for row in rows} == {"done"}
    tablets = [row for row in rows if row["device_class"] == "tablet"]
    assert {row["user"] for row in tablets} == {4, 5, 6, 7, 8, 9}
    for row in tablets:
        assert row["arrived_s"] <= 10.5 if row["user"] < 7 else row["arrived_s"] >= 25.5
    assert [(event["at_s"], event["kind"], event["phase"], event["text"]) for event in events] == [
        (10.5, "leave", "happened", "leave: 3 x tablet leave, 4 users stay"),
        (25.5, "leave", "over", "leave: 3 x tablet are back, 7 users"),
    ]


def test_a_share_is_rounded_up_and_who_came_last_leaves(tmp_path: Path) -> None:
    leave = {"kind": "leave", "class": "phone", "share": 0.3, "at_s": 10.5}
    rows, slots, _ = play(tmp_path / "a", [leave])
    assert [slot["users"] for slot in slots[9:12]] == [7, 5, 5]
    later = {row["user"] for row in rows if row["arrived_s"] > 10.5}
    assert later == {0, 1, 4, 5, 6}


def test_a_class_that_is_away_already_cannot_leave_and_the_run_says_so(tmp_path: Path) -> None:
    leave = {"kind": "leave", "class": "tablet"}
    _, slots, events = play(tmp_path / "a", [{**leave, "at_s": 5}, {**leave, "at_s": 10}])
    assert slots[20]["users"] == 4
    assert events[1]["text"] == "leave: it could not be done: no device of class tablet is there"
    assert events[1]["phase"] == "failed"


def test_a_condition_lets_users_come_when_the_edge_has_time(tmp_path: Path) -> None:
    when = {"metric": "hit_ratio", "above": 0.01}
    surge = {"kind": "surge", "factor": 2, "at_s": 5, "when": when}
    _, slots, events = play(tmp_path / "a", [surge])
    hit = next(slot for slot in slots[4:] if slot["hits"])
    assert [event["at_s"] for event in events] == [max(5.0, hit["start_s"] + 1)]
    assert slots[-1]["users"] == 14


@pytest.mark.parametrize(
    "event",
    [
        {"kind": "scale", "users": 3},
        {"kind": "surge", "users": 3, "for_s": 1},
        {"kind": "leave", "class": "phone"},
    ],
)
def test_users_of_a_list_neither_come_nor_go_and_that_is_said_before_the_run(
    event: dict[str, Any], tmp_path: Path
) -> None:
    asked = tmp_path / "asked.txt"
    asked.write_text("a panda\n" * 9)
    with pytest.raises(ScenarioError, match=f"timeline.0: {event['kind']}: a list of prompts is"):
        parse(
            paced.tree(
                devices=CLASSES, workload={"prompts": str(asked)}, timeline=[{"at_s": 1, **event}]
            )
        )
