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
from orchestrator.records.run_reader import read_run
from tests import paced
from user_agent.finished import Finished
from user_agent.host import DeviceHost

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
    mine = [row for row in beside if row["edge"] == "north"]
    key = lambda row: row["request_id"]  # noqa: E731
    assert sorted(mine, key=key) == sorted(alone, key=key)


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


POISSON = {"catalogue_size": 20, "arrivals": {"poisson": {"per_user_per_minute": 20}}}
IDENTITY = ("request_id", "user", "due_s", "edge", "device_class", "edge_prompt")


def host_dies(monkeypatch: pytest.MonkeyPatch, name: str, at_s: float) -> set[int]:
    """Let a host of this process die; the users that die with it, once it has."""
    users = set[int]()
    alive = inprocess.LocalHost.drain

    async def drain(self: inprocess.LocalHost) -> Any:
        if self.name == name and self._host._clock.now() > at_s:
            users.update(spec.user for spec in self.devices)
            raise PartDied(f"{name} died")
        return await alive(self)

    monkeypatch.setattr(inprocess.LocalHost, "drain", drain)
    return users


def of_users(rows: list[dict[str, Any]], users: set[int]) -> list[tuple[Any, ...]]:
    """What identifies each request of these users."""
    return sorted(tuple(row[name] for name in IDENTITY) for row in rows if row["user"] in users)


def played(folder: Path, status: int, **changes: Any) -> list[dict[str, Any]]:
    changes = {"edges": [NORTH, SOUTH], "devices": DEVICES, "duration_s": 20, **changes}
    assert run(parse(paced.tree(**changes)), Options(out=str(folder), report=False)) == status
    return read_run(folder)[0]


# with users that were there from the start and one that came, and with some that came alone
@pytest.mark.parametrize("name", ["host-2", "host-5"])
def test_a_host_that_dies_takes_no_open_arrival_out_of_the_record(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    changes = {"workload": POISSON, "timeline": [{"at_s": 5.25, "users": 12}]}
    whole = played(tmp_path / "a", 0, **changes)
    lost = host_dies(monkeypatch, name, 9.5)
    rows = played(tmp_path / "b", 3, **changes)
    assert max(lost) >= 8, "who came later is among them"
    assert of_users(rows, lost) == of_users(whole, lost)
    mine = [row for row in rows if row["user"] in lost]
    failed = [row for row in mine if row["result"] == "failed"]
    dropped = [row for row in mine if row["result"] == "dropped"]
    assert {row["error"] for row in failed} == {f"{name} died before it was finished"}
    assert {row["error"] for row in dropped} == {f"it was never sent: {name} had died"}
    assert max(row["due_s"] for row in failed) <= 10 < min(row["due_s"] for row in dropped)
    assert {row["result"] for row in mine} == {"done", "failed", "dropped"}
    assert f", {len(dropped)} dropped; " in capsys.readouterr().out


def test_a_host_that_dies_fails_what_its_closed_users_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = {row["request_id"]: row for row in played(tmp_path / "a", 0)}
    lost = host_dies(monkeypatch, "host-0", 9.5)
    rows = played(tmp_path / "b", 3)
    waited = set[str]()
    for user in lost:
        done = sum(row["user"] == user and row["result"] == "done" for row in rows)
        following = f"{user:05d}-{done:05d}"
        if whole[following]["due_s"] <= 10:
            waited.add(following)
    failed = {row["request_id"] for row in rows if row["result"] == "failed"}
    assert failed == waited and waited
    assert all(
        row["due_s"] == pytest.approx(whole[row["request_id"]]["due_s"])
        for row in rows
        if row["result"] == "failed"
    )
    assert not any(row["result"] == "dropped" for row in rows)


def test_an_edge_that_dies_leaves_the_arrivals_of_its_users_as_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = played(tmp_path / "a", 0, workload=POISSON)
    alive = inprocess.LocalEdge.status

    async def status(self: inprocess.LocalEdge) -> Any:
        if self._node.edge.name == "south" and self._node.edge.clock.now() > 9.5:
            raise PartDied("south died")
        return await alive(self)

    monkeypatch.setattr(inprocess.LocalEdge, "status", status)
    rows = played(tmp_path / "b", 3, workload=POISSON)
    everyone = {row["user"] for row in whole}
    assert of_users(rows, everyone) == of_users(whole, everyone)
    assert len({row["request_id"] for row in rows}) == len(rows)
    dropped = [row for row in rows if row["result"] == "dropped"]
    assert {row["edge"] for row in dropped} == {"south"} and len(dropped) > 4
    assert {row["error"] for row in dropped} == {"it was never sent: south had died"}


@pytest.mark.parametrize("dies", [False, True])
def test_arrivals_that_hosts_which_lived_never_sent_make_a_run_invalid(
    dies: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hosts in this process are never late: one is asked to leave a request out."""
    really = DeviceHost.drain

    def drain(self: DeviceHost) -> list[Finished]:
        ended = really(self)
        for finished in ended:
            if finished.row.request_id == "00002-00001":
                finished.row.result = "dropped"
                finished.row.due_s = finished.row.arrived_s - 1
        return ended

    monkeypatch.setattr(DeviceHost, "drain", drain)
    if dies:
        host_dies(monkeypatch, "host-0", 9.5)
    played(tmp_path / "a", 3 if dies else 0)
    verdict = json.loads((tmp_path / "a" / "summary.json").read_text())["verdict"]
    overloaded = "emulator overloaded: 1 arrivals were due and never sent: give each host fewer"
    lost = "2 requests in flight were lost as host-0 died"
    assert verdict.startswith(f"INVALID: {lost if dies else overloaded}")


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
