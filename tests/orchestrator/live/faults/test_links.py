"""Events that change devices and links, in a run of virtual time."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from midstep.errors import ScenarioError
from midstep.scenario_file import parse
from orchestrator.live.launch import Options
from orchestrator.live.run import run
from orchestrator.records.run_reader import read_run
from tests import paced

Row = dict[str, Any]
CLASSES = [{"class": "phone", "count": 3}, {"class": "tablet", "count": 2}]
SCENARIO = {
    "grace_s": 60,
    "devices": CLASSES,
    "channel": {"fading": False},
    "workload": {"catalogue_size": 20, "arrivals": {"poisson": {"per_user_per_minute": 12}}},
}


class Played:
    """A run's rows by id, its slots and its summary."""

    def __init__(self, folder: Path, *timeline: dict[str, Any], **changes: Any) -> None:
        tree = paced.tree(**{**SCENARIO, **changes}, timeline=list(timeline))
        assert run(parse(tree), Options(out=str(folder), report=False)) == 0
        rows, self.slots = read_run(folder)
        self.rows = {row["request_id"]: row for row in rows}
        self.summary = json.loads((folder / "summary.json").read_text())
        self.events = [event["text"] for event in self.summary["run"]["events"]]


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Played:
    return Played(tmp_path_factory.mktemp("calm") / "run")


def changed(played: Played, calm: Played, column: str) -> list[Row]:
    """Finished rows whose value of a column is another one than without events."""
    return [
        row
        for name, row in played.rows.items()
        if row["result"] == calm.rows[name]["result"] == "done"
        and row[column] != pytest.approx(calm.rows[name][column], rel=1e-6)
    ]


def sent_s(row: Row) -> float:
    """When its frame's first bit passed."""
    before = row["queue_s"] + row["edge_s"] + row["transfer_wait_s"]
    return float(row["arrived_s"] + row["link_wait_s"] + before)


def received_s(row: Row) -> float:
    return sent_s(row) + float(row["transfer_s"] - row["transfer_wait_s"])


def test_a_fade_slows_the_links_of_its_class_while_it_lasts(calm: Played, tmp_path: Path) -> None:
    fade = {"kind": "fade", "class": "tablet", "factor": 0.2, "at_s": 8, "for_s": 10}
    played = Played(tmp_path / "run", fade)
    slowed = changed(played, calm, "link_rate_bps")
    assert slowed and {row["device_class"] for row in slowed} == {"tablet"}
    for row in slowed:
        assert row["link_rate_bps"] < calm.rows[row["request_id"]]["link_rate_bps"]
        assert received_s(row) > 8 and sent_s(row) < 18
    inside = [r for r in slowed if sent_s(r) >= 8 and received_s(r) <= 18]
    for row in inside:
        whole = calm.rows[row["request_id"]]["link_rate_bps"]
        assert row["link_rate_bps"] == pytest.approx(0.2 * whole)
    assert inside
    assert played.events == [
        "fade: 2 devices: 0.2 of the link's rate is left",
        "fade: 2 devices: as before",
    ]


def test_nothing_passes_a_link_that_is_down_and_nothing_is_lost(
    calm: Played, tmp_path: Path
) -> None:
    later = [row for row in calm.rows.values() if sent_s(row) > 8]
    on_air = min(later, key=sent_s)
    down_s = (sent_s(on_air) + received_s(on_air)) / 2
    up_s = down_s + 6
    played = Played(tmp_path / "run", {"kind": "drop", "at_s": down_s, "for_s": 6})
    assert played.rows.keys() == calm.rows.keys()
    assert {row["result"] for row in played.rows.values()} == {"done"}
    assert not [row for row in played.rows.values() if down_s < received_s(row) < up_s]
    waited = [row for row in played.rows.values() if row["link_wait_s"]]
    assert waited
    for row in waited:
        assert row["arrived_s"] + row["link_wait_s"] == pytest.approx(up_s)
    (row,) = [row for row in played.rows.values() if sent_s(row) < down_s < received_s(row)]
    assert received_s(row) == pytest.approx(received_s(on_air) + 6)


def test_a_link_that_stays_down_costs_each_request_its_deadline(tmp_path: Path) -> None:
    drop = {"kind": "drop", "users": [1], "at_s": 8}
    played = Played(tmp_path / "run", drop, deadline_s=4)
    failed = [row for row in played.rows.values() if row["result"] == "failed"]
    assert failed and {row["user"] for row in failed} == {1}
    assert {row["error"] for row in failed} == {"its link was down, for 4 s nothing passed"}


@pytest.mark.parametrize(
    "event",
    [{"kind": "bit_errors", "rate": 2e-7}, {"kind": "lost_frames", "share": 0.4}],
    ids=["bit_errors", "lost_frames"],
)
def test_frames_are_sent_again_by_the_seed_and_the_time_counts(
    event: dict[str, Any], calm: Played, tmp_path: Path
) -> None:
    played = Played(tmp_path / "a", {**event, "at_s": 5, "for_s": 15})
    again = [row for row in played.rows.values() if row["resent"]]
    assert again
    for row in again:
        assert received_s(row) > 5 and sent_s(row) < 20
        once = calm.rows[row["request_id"]]
        if row["result"] == once["result"] == "done":
            on_air = row["transfer_s"] - row["transfer_wait_s"]
            alone = once["transfer_s"] - once["transfer_wait_s"]
            assert on_air == pytest.approx((1 + row["resent"]) * alone, rel=1e-6)
    other = Played(tmp_path / "b", {**event, "at_s": 5, "for_s": 15}, seed=8)
    assert {r["request_id"]: r["resent"] for r in again} != {
        name: row["resent"] for name, row in other.rows.items() if row["resent"]
    }


def test_who_walks_away_gets_slower_and_a_file_says_how_the_gain_changes(
    calm: Played, tmp_path: Path
) -> None:
    gains = tmp_path / "gains.csv"
    gains.write_text("at_s,gain\n0,1e-9\n5,1e-12\n")
    walk = {"kind": "move", "users": [0], "to_m": 500, "over_s": 10, "at_s": 5}
    trace = {"kind": "move", "users": [4], "path": str(gains), "at_s": 10, "for_s": 10}
    played = Played(tmp_path / "run", walk, trace)
    slowed = changed(played, calm, "link_rate_bps")
    walked = [row for row in slowed if row["user"] == 0]
    rates = [row["link_rate_bps"] for row in sorted(walked, key=sent_s)]
    assert len(rates) > 2 and rates == sorted(rates, reverse=True)
    assert {row["user"] for row in slowed} == {0, 4}
    traced = [row for row in slowed if row["user"] == 4]
    ratio = {
        sent_s(row) < 15: row["link_rate_bps"] / calm.rows[row["request_id"]]["link_rate_bps"]
        for row in traced
        if sent_s(row) >= 10 and not sent_s(row) < 15 < received_s(row)
    }
    assert ratio[True] > 1 > ratio[False]


def test_slowed_devices_take_so_many_times_as_long(calm: Played, tmp_path: Path) -> None:
    slow = {"kind": "slow_devices", "class": "phone", "factor": 3, "at_s": 8, "for_s": 8}
    slowed = changed(Played(tmp_path / "run", slow), calm, "joules")
    assert slowed and {row["device_class"] for row in slowed} == {"phone"}
    ratios = [row["joules"] / calm.rows[row["request_id"]]["joules"] for row in slowed]
    assert max(ratios) == pytest.approx(3, abs=0.3)  # in other slots, its speed was another


def test_who_comes_during_a_fade_has_it(tmp_path: Path) -> None:
    fade = {"kind": "fade", "factor": 0.2, "at_s": 5, "for_s": 10}
    scale = {"kind": "scale", "users": 9, "at_s": 8}
    played = Played(tmp_path / "run", fade, scale)
    rates: dict[bool, list[float]] = {True: [], False: []}
    for row in played.rows.values():
        during = sent_s(row) < 15 if row["result"] == "done" else None
        if row["user"] >= 5 and during is not None and not sent_s(row) < 15 < received_s(row):
            rates[during].append(row["link_rate_bps"])
    assert max(rates[True]) < min(rates[False])


def test_who_is_handed_over_has_the_links_of_its_new_edge(tmp_path: Path) -> None:
    edges = [{"name": name, "capacity": "64KiB"} for name in ("north", "south")]
    fade = {"kind": "fade", "edge": "north", "factor": 0.2, "at_s": 5, "for_s": 20}
    over = {"kind": "hand_over", "class": "phone", "edge": "south", "at_s": 12}
    back = {"kind": "hand_over", "class": "phone", "edge": "north", "at_s": 18}
    quiet = Played(tmp_path / "a", over, back, edges=edges)
    played = Played(tmp_path / "b", over, back, fade, edges=edges)
    spans = {  # when each user, of whom 0, 2 and 4 began at north, has a slower link
        **{user: [(5, 12), (18, 25)] for user in (0, 2)},
        1: [(18, 25)],
        3: [],
        4: [(5, 25)],
    }
    seen = set()
    for name, row in played.rows.items():
        at = (sent_s(row), received_s(row))
        ratio = row["link_rate_bps"] / quiet.rows[name]["link_rate_bps"]
        if any(begin <= at[0] and at[1] <= end for begin, end in spans[row["user"]]):
            assert ratio == pytest.approx(0.2)
            seen.add((row["user"], at[0] > 18))
        elif all(at[1] <= begin or end <= at[0] for begin, end in spans[row["user"]]):
            assert ratio == pytest.approx(1)
    assert {(0, True), (1, True), (4, False)} <= seen


def test_the_same_seed_and_events_leave_the_same_rows(tmp_path: Path) -> None:
    events = [
        {"kind": "fade", "factor": 0.5, "chance": 0.5, "at_s": 2, "every_s": 5, "for_s": 2},
        {"kind": "lost_frames", "share": 0.3},
        {"kind": "bit_errors", "rate": 1e-7},
        {"kind": "drop", "class": "phone", "at_s": 10, "for_s": 2},
    ]
    first, second = (Played(tmp_path / name, *events) for name in "ab")
    assert first.rows == second.rows and first.events == second.events


def test_batteries_that_run_empty_are_counted_and_said_once_a_class(tmp_path: Path) -> None:
    phones = {"class": "phone", "count": 3, "battery_j": 30, "receive_nj_per_bit": 100}
    played = Played(tmp_path / "run", devices=[phones, {"class": "tablet", "count": 2}])
    failed = [row for row in played.rows.values() if row["result"] == "failed"]
    assert {row["error"] for row in failed} == {"its battery is empty"}
    assert {row["device_class"] for row in failed} == {"phone"}
    assert played.slots[-1]["users"] == 2
    (said,) = played.events
    assert said.startswith("the battery of a phone is empty: user ")
    assert played.summary["policies"]["lru"]["batteries_empty"]["mean"] == 3
    by_class = played.summary["classes"]
    assert by_class["phone"]["receive_joules"]["mean"] == pytest.approx(0.4)
    assert by_class["tablet"]["receive_joules"]["mean"] == 0
    taken = sum(
        row["joules"] or 0 for row in played.rows.values() if row["device_class"] == "phone"
    )
    assert taken == pytest.approx(3 * 30)


@pytest.mark.parametrize(
    ("write", "text"),
    [
        (lambda path: None, "cannot be read: No such file or directory"),
        (lambda path: path.mkdir(), "cannot be read: Is a directory"),
        (lambda path: path.write_bytes(b"\xff"), "it is no UTF-8 text"),
        (lambda path: path.write_text("time,gain\n0,1\n"), "has to be at_s,gain"),
        (lambda path: path.write_text("at_s,gain\n"), "its first row has to be at 0 s"),
        (lambda path: path.write_text("at_s,gain\n0,1\n0,2\n"), "0 s is not after 0 s"),
        (lambda path: path.write_text("at_s,gain\n0,-1\n"), "line 2: '0,-1' is not a time"),
        (lambda path: path.write_text("at_s,gain\n0,1,2\n"), "line 2: '0,1,2' is not a time"),
        (lambda path: path.write_text(f"at_s,gain\n0,{'9' * 999}\n"), "is not a time"),
    ],
)
def test_a_file_of_gains_is_read_before_the_run_begins(
    write: Callable[[Path], Any], text: str, tmp_path: Path
) -> None:
    write(tmp_path / "gains.csv")
    move = {"kind": "move", "path": str(tmp_path / "gains.csv")}
    with pytest.raises(ScenarioError, match=r"^move\.path: ") as refused:
        Played(tmp_path / "run", move)
    assert text in str(refused.value) and len(str(refused.value)) <= 300
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("event", "text"),
    [
        ({"kind": "fade", "factor": 10}, "timeline.0.factor: "),
        ({"kind": "fade"}, "timeline.0.factor: "),
        ({"kind": "drop", "users": []}, "timeline.0: users: an empty list means nobody"),
        ({"kind": "drop", "class": "fridge"}, "there is no class fridge"),
        ({"kind": "move"}, "timeline.0: a move says where to"),
        ({"kind": "move", "to_m": 9, "for_s": 5}, "timeline.0: for_s: who has moved stays there"),
        ({"kind": "slow_devices", "factor": 0.5}, "timeline.0.factor: "),
        ({"kind": "bit_errors", "rate": 0.5}, "timeline.0.rate: "),
    ],
)
def test_what_an_event_cannot_be_is_refused_in_one_line(event: Any, text: str) -> None:
    with pytest.raises(ScenarioError) as refused:
        parse(paced.tree(**SCENARIO, timeline=[event]))
    assert text in str(refused.value) and "\n" not in str(refused.value)
