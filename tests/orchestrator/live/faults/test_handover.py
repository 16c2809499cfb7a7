"""Users who are handed over to another edge, in a run of virtual time: their requests go on."""

import json
from pathlib import Path
from typing import Any

import pytest

from midstep.errors import ScenarioError
from midstep.radio.fading import specs
from midstep.scenario_file import parse
from orchestrator.live.launch import Options
from orchestrator.live.run import run
from orchestrator.records.run_reader import read_run
from tests import paced

EDGES = [{"name": name, "capacity": "64KiB"} for name in ("north", "south")]
POISSON = {"catalogue_size": 20, "arrivals": {"poisson": {"per_user_per_minute": 20}}}
BASE = {"edges": EDGES, "devices": [{"class": "phone", "count": 6}], "workload": POISSON}
OVER = {"kind": "hand_over", "at_s": 10.5, "from_edge": "north", "edge": "south"}


def play(folder: Path, *timeline: dict[str, Any], **changes: Any) -> tuple[Any, Any, Any]:
    """Rows by id, slots and the texts of events of a run with a timeline."""
    tree = paced.tree(**{**BASE, **changes}, timeline=[*timeline])
    assert run(parse(tree), Options(out=str(folder), report=False)) == 0
    events = json.loads((folder / "summary.json").read_text())["run"]["events"]
    rows, slots = read_run(folder)
    by_id = {row["request_id"]: row for row in rows}
    assert len(by_id) == len(rows)
    return by_id, slots, [event["text"] for event in events]


def users(slots: Any, edge: str) -> list[int]:
    return [slot["users"] for slot in slots if slot["edge"] == edge][:30]


def test_who_is_handed_over_asks_the_other_edge_and_goes_on_as_before(tmp_path: Path) -> None:
    rows, slots, events = play(tmp_path / "a", {**OVER, "users": 2, "for_s": 10})
    still, _, _ = play(tmp_path / "b")
    assert users(slots, "north") == [3] * 10 + [1] * 10 + [3] * 10
    assert users(slots, "south") == [3] * 10 + [5] * 10 + [3] * 10
    # who was handed over asks for the same, at the same instants, under the same ids
    assert {name: (row["due_s"], row["prompt"]) for name, row in rows.items()} == {
        name: (row["due_s"], row["prompt"]) for name, row in still.items()
    }
    moved = [n for n, row in rows.items() if row["edge"] != still[n]["edge"]]
    assert len({rows[name]["user"] for name in moved}) == 2
    assert all(10.5 <= rows[name]["arrived_s"] <= 20.5 for name in moved)
    assert {rows[name]["edge"] for name in moved} == {"south"}
    assert {row["result"] for row in rows.values()} == {"done"}
    assert events == [
        "hand_over: 2 users to south",
        "hand_over: 2 users ask their former edges again",
    ]


def test_a_share_of_a_class_is_handed_over_and_drawn_from_the_seed(tmp_path: Path) -> None:
    over = {**OVER, "class": "phone", "share": 0.5}
    first, slots, _ = play(tmp_path / "a", over)
    again, _, _ = play(tmp_path / "b", over)
    assert users(slots, "south")[11] == 5
    edges = [{name: row["edge"] for name, row in rows.items()} for rows in (first, again)]
    assert edges[0] == edges[1]


def test_who_was_handed_over_can_be_sent_away_and_nobody_is_left_to_hand_over(
    tmp_path: Path,
) -> None:
    away = {"kind": "scale", "at_s": 15.5, "users": 2, "edge": "south"}
    rows, slots, events = play(tmp_path / "a", OVER, away, {**OVER, "at_s": 20.5})
    assert users(slots, "south")[10:16] == [6] * 5 + [2]
    assert max(row["arrived_s"] for row in rows.values() if row["user"] > 1) < 15.5
    assert events[-1] == ("hand_over: it could not be done: nobody asks another edge than south")


def test_who_chooses_the_nearest_is_nearer_and_a_hand_over_takes_it_far_away(
    tmp_path: Path,
) -> None:
    edges = [{**edge, "place_m": [300 * n, 0]} for n, edge in enumerate(EDGES)]
    devices = [{"class": "phone", "count": 40, "distance_m": [100, 250], "choose": "nearest"}]
    placed = specs(parse(paced.tree(edges=edges, devices=devices)))
    dealt = specs(parse(paced.tree(edges=edges, devices=[{**devices[0], "choose": None}])))
    assert [spec.place_m for spec in placed] == [spec.place_m for spec in dealt]
    moved = [(a, b) for a, b in zip(placed, dealt, strict=True) if a.edge != b.edge]
    assert 0 < len(moved) < 40
    assert all(a.distance_m < b.distance_m for a, b in moved)
    assert all(a == b for a, b in zip(placed, dealt, strict=True) if a.edge == b.edge)
    quiet = {"fading": False}
    here = {"edges": edges, "devices": devices, "channel": quiet}
    rows, _, _ = play(tmp_path / "a", {**OVER, "from_edge": None}, **here)
    still, _, _ = play(tmp_path / "b", **here)
    over = [n for n, row in rows.items() if row["edge"] != still[n]["edge"]]
    assert over
    for name in over:
        assert rows[name]["link_rate_bps"] < still[name]["link_rate_bps"]


def test_who_chooses_the_fastest_leaves_a_crowded_edge(tmp_path: Path) -> None:
    crowd = {"catalogue_size": 500, "arrivals": {"poisson": {"per_user_per_minute": 90}}}
    group = {"count": 12, "edge": "north", "speed_ratio": 4.0, "bandwidth_mhz": [20, 20]}
    edges = [{**edge, "max_batch": 1} for edge in EDGES]
    here = {"edges": edges, "workload": crowd}
    fast, slots, _ = play(tmp_path / "a", devices=[{**group, "choose": "fastest"}], **here)
    still, _, _ = play(tmp_path / "b", devices=[group], **here)
    north = users(slots, "north")
    assert north[0] >= 10 and 3 <= min(north) < 9
    mean_s = [sum(r["total_s"] or 60.0 for r in rows.values()) for rows in (fast, still)]
    assert mean_s[0] < 0.5 * mean_s[1] and fast.keys() == still.keys()


def test_a_band_that_is_shared_is_no_place_to_leave() -> None:
    with pytest.raises(ScenarioError, match=r"timeline\.0: hand_over: .*; leave channel.total_mhz"):
        parse(paced.tree(**BASE, channel={"total_mhz": 5}, timeline=[OVER]))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"edge": "west"}, r"timeline\.0\.edge: there is no edge west"),
        ({"from_edge": "west"}, r"timeline\.0\.from_edge: there is no edge west"),
        ({"from_edge": "south"}, r"timeline\.0\.?.*: from_edge: who asks south is there"),
        ({"users": 1, "share": 0.5}, r"timeline\.0\.?.*: give users or share, not both"),
    ],
)
def test_a_hand_over_that_cannot_be_is_one_line(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(ScenarioError, match=why) as error:
        parse(paced.tree(**BASE, timeline=[{**OVER, **changes}]))
    assert "\n" not in str(error.value)
