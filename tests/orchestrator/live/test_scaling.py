"""Users come and go in mid-run, in virtual time; and the arithmetic of who gets how many."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from midstep.clock import WallClock
from midstep.errors import MidstepError, PartDied, ScenarioError
from midstep.radio.fading import Newcomers, specs
from midstep.scenario_file import parse
from midstep.workload.arrivals import Arrival
from midstep.workload.requests import UserRequest
from orchestrator.live.cell import Cell, Parts
from orchestrator.live.inprocess import LocalHost
from orchestrator.live.launch import Options
from orchestrator.live.run import run
from orchestrator.live.scaling import Scaler
from orchestrator.records.run_reader import read_run
from tests import paced
from user_agent.device import Device
from user_agent.finished import Finished


def rows_of(folder: Path, **changes: Any) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    assert run(parse(paced.tree(**changes)), Options(out=str(folder))) == 0
    return read_run(folder)


@pytest.fixture
def request_ids(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids of all requests that devices begin."""
    ids: list[str] = []
    really = Device.request

    async def request(
        self: Device, request_id: str, user_request: UserRequest, arrival: Arrival
    ) -> Finished:
        ids.append(request_id)
        return await really(self, request_id, user_request, arrival)

    monkeypatch.setattr(Device, "request", request)
    return ids


def test_a_timeline_brings_users_and_sends_them_away_and_no_request_is_lost(
    request_ids: list[str], tmp_path: Path
) -> None:
    timeline = [{"at_s": 20.5, "users": 3}, {"at_s": 5.5, "users": 30}]
    rows, slots = rows_of(tmp_path / "a", timeline=timeline, duration_s=40)
    assert len(request_ids) > 100 and sorted(request_ids) == sorted(
        row["request_id"] for row in rows
    )
    assert {row["result"] for row in rows} == {"done"}
    assert [slot["users"] for slot in slots[:40]] == [4] * 5 + [30] * 15 + [3] * 20
    assert len({row["request_id"] for row in rows}) == len(rows)
    for row in rows:
        if row["user"] >= 4:
            assert 5.5 <= row["arrived_s"] <= 20.5, "who came later asked only while there"
    assert {row["user"] for row in rows} == set(range(30))
    for user in range(3):  # who stayed went on asking
        assert max(row["arrived_s"] for row in rows if row["user"] == user) > 30


def test_numbers_are_never_given_twice(tmp_path: Path) -> None:
    timeline = [
        {"at_s": at, "users": users} for at, users in ((5, 8), (10, 2), (15, 8), (20, 0), (25, 6))
    ]
    rows, slots = rows_of(tmp_path / "a", timeline=timeline, duration_s=40)
    assert len({row["request_id"] for row in rows}) == len(rows)
    assert max(row["user"] for row in rows) == 4 + 4 + 6 + 6 - 1
    # with 0 users a run waits
    assert [slots[at]["users"] for at in (3, 7, 12, 17, 22, 27)] == [
        4,
        8,
        2,
        8,
        0,
        6,
    ]
    assert max(row["arrived_s"] for row in rows) > 30


def test_the_same_timeline_leaves_the_same_rows(tmp_path: Path) -> None:
    timeline = [{"at_s": 5, "users": 12}, {"at_s": 15, "users": 6}]
    first, second = (rows_of(tmp_path / name, timeline=timeline)[0] for name in "ab")
    assert first == second


def test_a_list_of_prompts_cannot_be_scaled(tmp_path: Path) -> None:
    (tmp_path / "prompts").write_text("a panda\n" * 200)
    scenario = parse(paced.tree(workload={"prompts": str(tmp_path / "prompts")}))
    parts = Parts(cells=[], targets=[])
    scaler = Scaler(scenario, parts, 0.0, WallClock(), lambda _: None, lambda: None)
    with pytest.raises(ScenarioError, match="a list of prompts is dealt out to its users"):
        asyncio.run(scaler.scale(9))


@pytest.mark.parametrize("last", [False, True])
def test_a_host_that_answers_late_at_the_end_loses_nothing(
    last: bool, request_ids: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    really = LocalHost.drain
    calls = list[float]()

    async def drain(self: LocalHost) -> Any:
        calls.append(self._host._clock.now())
        drained = await really(self)
        if calls[-1] > 20.01 if last else 19.5 < calls[-1] < 20.01:
            await asyncio.sleep(1.5)  # what it had is on its way when the run ends
        return drained

    monkeypatch.setattr(LocalHost, "drain", drain)
    rows, _ = rows_of(tmp_path / "a", duration_s=20)
    assert sorted(request_ids) == sorted(row["request_id"] for row in rows)


def test_a_silent_host_costs_the_others_one_second_and_ends_as_a_death(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    really = LocalHost.drain

    async def drain(self: LocalHost) -> Any:
        if self.name == "host-1" and self._host._clock.now() > 8:
            await asyncio.sleep(10_000)
        return await really(self)

    monkeypatch.setattr(LocalHost, "drain", drain)
    assert run(parse(paced.tree(slot_seconds=0.25)), Options(out=str(tmp_path / "a"))) == 3
    rows, slots = read_run(tmp_path / "a")
    assert max(row["arrived_s"] for row in rows if row["user"] < 2) > 25
    assert 1 <= sum((slot["late_s"] or 0.0) > 0.1 for slot in slots) <= 3, (
        "one second, until the others have caught up"
    )
    events = json.loads((tmp_path / "a" / "summary.json").read_text())["run"]["events"]
    assert [event["text"] for event in events] == [
        "host-1 is silent; the others do not wait for it",
        "host-1 is silent, what it measured last is lost: 2 devices fewer",
        "2 requests in flight were lost as host-1 died",
        "edge-0 counted 39 answers, the record has 24: 15 reached no device that lived to use them",
    ]


def test_newcomers_keep_the_mix_of_classes() -> None:
    devices = [
        {"class": "phone", "count": 6},
        {"class": "tablet", "count": 3, "speed_ratio": 0.2},
        {"class": "pc", "count": 1},
    ]
    scenario = parse(paced.tree(devices=devices))
    present = specs(scenario)
    newcomers = Newcomers(scenario)
    for number in (1, 9, 20):
        present += newcomers.come("edge-0", present, number)
    assert [spec.user for spec in present] == list(range(40))
    kinds = [spec.kind for spec in present]
    assert [kinds.count(kind) for kind in ("phone", "tablet", "pc")] == [24, 12, 4]
    assert all(120 <= spec.distance_m <= 255 for spec in present)
    assert len({spec.distance_m for spec in present[10:]}) == 30


def test_the_mix_is_of_each_edge_and_a_class_is_more_than_its_name() -> None:
    edges = [
        {"name": name, "capacity": "64KiB", "staging": "256KiB"} for name in ("north", "south")
    ]
    devices = [
        {"class": "phone", "count": 6, "edge": "north"},
        {"class": "phone", "count": 12, "speed_ratio": 0.2},
    ]
    scenario = parse(paced.tree(edges=edges, devices=devices))
    present = [spec for spec in specs(scenario) if spec.edge == "north"]
    coming = Newcomers(scenario).come("north", present, 24)
    assert sum(spec.speed_ratio == 0.2 for spec in coming) == 12


class FakeHost:
    """Knows who is there, and dies when it is told to."""

    def __init__(self, devices: list[Any], dead: bool = False) -> None:
        self.name = "host"
        self.devices = list(devices)
        self.dead = dead
        self.started = False

    async def start(self, epoch_s: float, since_s: float) -> None:
        self.started = True

    async def join(self, devices: Any, since_s: float) -> None:
        await self.leave([])

    async def leave(self, users: Any) -> None:
        if self.dead:
            raise PartDied("host died")


def world(per_host: int, full: bool = False) -> tuple[Scaler, Cell, list[str]]:
    """A scaler over one cell of two hosts of 2 devices; `full`: nobody has room for a third."""
    scenario = parse(paced.tree(hosts={"devices_per_host": per_host}))
    device_specs = specs(scenario)

    async def host(devices: Any) -> Any:
        if full:
            raise ScenarioError("no room")
        return FakeHost(devices)

    about: Any = type("About", (), {"edge": "edge-0"})
    nobody: Any = None
    hosts: list[Any] = [FakeHost(device_specs[:2]), FakeHost(device_specs[2:])]
    cell = Cell(description=about, edge=nobody, address="", learner=nobody, hosts=hosts, host=host)
    lines: list[str] = []
    return (
        Scaler(scenario, Parts(cells=[cell], targets=[]), 0.0, WallClock(), lines.append),
        cell,
        lines,
    )


async def test_hosts_are_filled_before_new_ones_are_started() -> None:
    scaler, cell, lines = world(per_host=3)
    assert await scaler.scale(13) == 13
    assert [len(host.devices) for host in cell.hosts] == [3, 3, 3, 3, 1]
    assert all(host.started for host in cell.hosts[2:])  # type: ignore[attr-defined]
    assert await scaler.scale(5) == 5
    assert [spec.user for spec in cell.devices] == [0, 1, 4, 2, 3]  # who came last has left
    assert await scaler.scale(6) == 6 and len(cell.hosts) == 5
    assert lines == [
        "scaled from 4 to 13 users",
        "scaled from 13 to 5 users",
        "scaled from 5 to 6 users",
    ]


async def test_hosts_are_counted_for_the_whole_request_before_the_first_is_started() -> None:
    scaler, cell, lines = world(per_host=3)
    hosts_checked: list[int] = []

    async def check_room(hosts: int) -> None:
        hosts_checked.append(hosts)
        if hosts > 2:
            raise ScenarioError(f"{hosts} hosts more find no room")

    scaler._parts.check_room = check_room
    with pytest.raises(ScenarioError, match="4 hosts more find no room"):
        await scaler.scale(16)
    assert scaler.users == 4 and len(cell.hosts) == 2 and not lines
    assert await scaler.scale(6) == 6  # fits into the hosts that are there
    assert await scaler.scale(12) == 12 and len(cell.hosts) == 4
    assert await scaler.scale(1) == 1
    assert hosts_checked == [4, 0, 2, 0]


async def test_what_could_be_done_stays_where_there_is_no_room_for_all() -> None:
    scaler, _cell, lines = world(per_host=3, full=True)
    with pytest.raises(ScenarioError, match="no room"):
        await scaler.scale(9)
    assert scaler.users == 6 and lines == ["scaled from 4 to 6 users"]


async def test_a_host_that_dies_meanwhile_is_left_to_the_slots_end() -> None:
    scaler, cell, _ = world(per_host=3)
    cell.hosts[0].dead = True  # type: ignore[attr-defined]
    assert await scaler.scale(6) == 6
    assert await scaler.scale(1) == 1


async def test_who_would_come_when_the_run_ends_does_not() -> None:
    scaler, cell, _ = world(per_host=2)
    opened: Any = cell.host

    async def host(devices: Any) -> Any:
        scaler._parts.ending = True  # while the host starts
        return await opened(devices)

    cell.host = host
    for _ in range(2):
        with pytest.raises(ScenarioError, match="the run is ending: nobody comes or goes"):
            await scaler.scale(6)
    assert scaler.users == 4 and len(cell.hosts) == 2


async def test_one_at_a_time() -> None:
    scaler, _, lines = world(per_host=3)
    await asyncio.gather(*(scaler.scale(users) for users in (9, 2, 7)))
    assert lines == [
        "scaled from 4 to 9 users",
        "scaled from 9 to 2 users",
        "scaled from 2 to 7 users",
    ]


@pytest.mark.parametrize(
    ("users", "edge", "why"),
    [
        (-1, None, "fewer than 0"),
        (1_000_001, None, "at most 1000000"),
        (3, "nowhere", "no edge nowhere"),
    ],
)
async def test_bad_numbers_of_users_are_one_line(users: int, edge: str | None, why: str) -> None:
    scaler, _, lines = world(per_host=3)
    with pytest.raises(MidstepError, match=why):
        await scaler.scale(users, edge)
    assert not lines
