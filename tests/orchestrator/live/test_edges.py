"""Several edges in one run, in virtual time: each has its own store, learner and users."""

import json
from pathlib import Path
from typing import Any

import pytest

from midstep.errors import OptionError, PartDied, ScenarioError
from midstep.radio.fading import specs
from midstep.scenario_file import parse
from orchestrator.live import inprocess
from orchestrator.live.launch import Options
from orchestrator.live.run import run
from orchestrator.records.recorder import read_run
from tests import paced

NORTH, SOUTH = (
    {"name": name, "capacity": "64KiB", "staging": "256KiB"} for name in ("north", "south")
)
DEVICES = [
    {"class": "phone", "count": 3, "edge": "north"},
    {"class": "tablet", "count": 1, "edge": "south", "speed_ratio": 0.2},
    {"class": "any", "count": 4},
]


def go(folder: Path, **changes: Any) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    changes = {"edges": [NORTH, SOUTH], "devices": DEVICES, **changes}
    assert run(parse(paced.tree(**changes)), Options(out=str(folder))) == 0
    return read_run(folder)


def test_devices_ask_the_edge_that_is_theirs_and_the_rest_is_dealt_out() -> None:
    device_specs = specs(parse(paced.tree(edges=[NORTH, SOUTH], devices=DEVICES)))
    assert [spec.edge for spec in device_specs] == ["north"] * 3 + ["south"] + [
        "north",
        "south",
    ] * 2
    assert [spec.user for spec in device_specs] == list(range(8))


def test_each_edge_has_its_own_store_queue_and_rows(tmp_path: Path) -> None:
    rows, slots = go(tmp_path / "a", duration_s=40)
    of = {name: [row for row in rows if row["edge"] == name] for name in ("north", "south")}
    assert {row["user"] for row in of["north"]} == {0, 1, 2, 4, 6}
    assert {row["user"] for row in of["south"]} == {3, 5, 7}
    for name, mine in of.items():
        prompts: set[str] = set()
        for row in sorted(mine, key=lambda r: r["arrived_s"]):
            assert row["reuse"] != "exact" or row["edge_prompt"] in prompts, (
                "a hit of what only the other edge has made"
            )
            prompts.add(row["edge_prompt"])
        its = [slot for slot in slots if slot["edge"] == name]
        assert [slot["slot"] for slot in its] == list(range(len(its)))
        assert sum(slot["requests"] for slot in its) == sum(row["result"] == "done" for row in mine)
        assert any(slot["store_entries"] for slot in its)
    summary = json.loads((tmp_path / "a" / "summary.json").read_text())
    assert set(summary["edges"]) == {"north", "south"}
    for name, mine in of.items():
        hits = sum(row["reuse"] == "exact" for row in mine) / len(mine)
        assert summary["edges"][name]["hit_ratio"]["mean"] == pytest.approx(hits)


def test_an_edge_alone_does_what_it_does_beside_another(tmp_path: Path) -> None:
    devices = [DEVICES[0], {"class": "tablet", "count": 2, "edge": "south"}]
    beside, _ = go(tmp_path / "a", devices=devices)
    alone, _ = go(tmp_path / "b", edges=[NORTH], devices=devices[:1])
    mine = [{**row, "process_id": 0} for row in beside if row["edge"] == "north"]
    key = lambda row: row["request_id"]  # noqa: E731
    assert sorted(mine, key=key) == sorted(({**row, "process_id": 0} for row in alone), key=key)


def test_users_are_scaled_at_one_edge_or_in_proportion(tmp_path: Path) -> None:
    timeline = [{"at_s": 5, "users": 9, "edge": "south"}, {"at_s": 15, "users": 4}]
    _, slots = go(tmp_path / "a", timeline=timeline)
    at = {(slot["edge"], slot["slot"]): slot["users"] for slot in slots}
    assert [at["north", slot] for slot in (3, 8, 20)] == [5, 5, 3]
    assert [at["south", slot] for slot in (3, 8, 20)] == [3, 9, 1]


def test_learners_go_on_each_from_its_own_state(tmp_path: Path) -> None:
    go(tmp_path / "a", policy={"name": "drc"})
    assert sorted(path.name for path in (tmp_path / "a").glob("*.ckpt")) == [
        "learner-north.ckpt",
        "learner-south.ckpt",
    ]
    scenario = parse(paced.tree(edges=[NORTH, SOUTH], devices=DEVICES, policy={"name": "drc"}))
    assert run(scenario, Options(out=str(tmp_path / "b"), resume=str(tmp_path / "a"))) == 0
    (tmp_path / "a" / "learner-south.ckpt").unlink()
    with pytest.raises(OptionError, match=r"no learner-south\.ckpt"):
        run(scenario, Options(out=str(tmp_path / "c"), resume=str(tmp_path / "a")))


def test_an_edge_that_dies_takes_its_own_users_and_the_other_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alive = inprocess.LocalEdge.status

    async def status(self: inprocess.LocalEdge) -> Any:
        edge = self._node.edge
        if edge.name == "south" and edge.clock.now() > 10:
            raise PartDied("south died")
        return await alive(self)

    monkeypatch.setattr(inprocess.LocalEdge, "status", status)
    scenario = parse(paced.tree(edges=[NORTH, SOUTH], devices=DEVICES, duration_s=40))
    assert run(scenario, Options(out=str(tmp_path / "a"))) == 3
    rows, slots = read_run(tmp_path / "a")
    last = {
        name: max(row["arrived_s"] for row in rows if row["edge"] == name)
        for name in ("north", "south")
    }
    assert last["north"] > 30 and last["south"] < 12
    assert (
        "south died: 3 devices fewer, 1 edges go on" in (tmp_path / "a" / "report.html").read_text()
    )
    assert [slot["users"] for slot in slots if slot["edge"] == "south"][-1] == 0


def test_arrivals_that_were_due_at_a_dead_host_are_counted_as_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    workload = {"catalogue_size": 20, "arrivals": {"poisson": {"per_user_per_minute": 20}}}
    whole, _ = go(tmp_path / "a", workload=workload, duration_s=20)
    alive = inprocess.LocalHost.drain

    async def drain(self: inprocess.LocalHost) -> Any:
        if self.name == "host-0" and self._host._clock.now() > 9.5:
            raise PartDied("host-0 died")
        return await alive(self)

    monkeypatch.setattr(inprocess.LocalHost, "drain", drain)
    changes = {"edges": [NORTH, SOUTH], "devices": DEVICES, "workload": workload}
    assert run(parse(paced.tree(**changes, duration_s=20)), Options(out=str(tmp_path / "b"))) == 3
    dropped = [row for row in read_run(tmp_path / "b")[0] if row["result"] == "dropped"]
    columns = ("request_id", "user", "due_s", "edge", "device_class", "edge_prompt")
    lost = {0, 1}
    due = [row for row in whole if row["user"] in lost and row["due_s"] > 10]
    only = lambda rows: sorted(tuple(row[name] for name in columns) for row in rows)  # noqa: E731
    assert only(dropped) == only(due) and len(dropped) > 4
    assert {row["error"] for row in dropped} == {"it was never sent: host-0 had died"}
    assert f", {len(dropped)} dropped; " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"edges": [NORTH, NORTH]}, "two edges have the name north"),
        ({"edges": []}, "at least one edge"),
        (
            {"devices": [{"class": "phone", "edge": "west"}]},
            r"devices\.0\.edge: there is no edge west",
        ),
        (
            {"timeline": [{"at_s": 1, "users": 1, "edge": "west"}]},
            r"timeline\.0\.edge: there is no edge west",
        ),
    ],
)
def test_bad_edges_are_one_line(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(ScenarioError, match=why):
        parse(paced.tree(**{"edges": [NORTH, SOUTH], **changes}))
