"""The slot loop against parts that are late, silent or dead, in virtual time."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace

import pytest

from midstep.errors import PartDied
from midstep.scenario_file import load, parse
from midstep.telemetry.metrics import gauge
from midstep.telemetry.writers import RunMetrics
from orchestrator.live.cell import Census
from orchestrator.live.host_collector import LAST_S, SILENT_S
from orchestrator.live.slot_accounts import SlotAccounts
from orchestrator.live.supervisor import PATIENCE_S
from orchestrator.records.recorder import Recorder
from orchestrator.records.rows import EndedRequest
from tests import paced
from tests.orchestrator.live.slot_world import (
    FakeHost,
    World,
    silent_from,
)


def test_a_run_leaves_a_row_for_every_slot_of_every_edge(tmp_path: Path) -> None:
    world = World(tmp_path / "run").play()
    for edge in ("north", "south"):
        rows = world.of(edge)
        assert [row.slot for row in rows] == list(range(11))
        # two hosts with a picture a second; the last two pictures end in a slot of their own
        assert [row.requests for row in rows] == [2, *[4] * 9, 4]
        assert [row.late_s for row in rows] == [0.0] * 10 + [None]
        assert all(row.hits + row.misses == row.requests for row in rows)
        assert all(row.queue_s == row.slot and row.edge_queue == 1 for row in rows)
    assert not world.deaths and not world.news
    assert sum(row.requests for row in world.slots) == len(world.rows)


def test_a_stop_within_a_slot_leaves_its_row_with_all_that_ended_in_it(tmp_path: Path) -> None:
    world = World(tmp_path / "run", stop_s=7.2).play()
    for edge in ("north", "south"):
        rows = world.of(edge)
        assert [row.slot for row in rows] == [0, 1, 2, 3]
        assert [row.late_s for row in rows] == [0.0, 0.0, 0.0, None]
        assert [row.requests for row in rows] == [2, 4, 4, 6]  # two were in flight until 7.7 s
    assert world.ended_s < 8
    assert {host.stopped_s for host in world.hosts} == {7.2}


def test_a_duration_that_ends_within_a_slot_stops_the_asking_there(tmp_path: Path) -> None:
    world = World(tmp_path / "run", duration_s=7).play()
    assert {host.stopped_s for host in world.hosts} == {7.0}
    assert [row.slot for row in world.of("north")] == [0, 1, 2, 3]
    assert sum(row.requests for row in world.slots) == len(world.rows) == 4 * 8


def test_a_late_host_is_waited_for_once_and_loses_nothing(tmp_path: Path) -> None:
    world = World(tmp_path / "run")
    world.hosts[0].wait = silent_from(6.5, 15.0)
    world.play()
    late_s = [row.late_s for row in world.of("south")]
    assert late_s == [0.0] * 10 + [None], "the wait ends before the next slot does"
    rows = world.of("north")
    assert [row.requests for row in rows[:3]] == [2, 4, 4]
    assert [row.requests for row in rows[3:7]] == [3, 2, 2, 2], "the others went on"
    assert sum(row.requests for row in world.slots) == len(world.rows) == 4 * 21
    assert world.news == ["north-a is silent; the others do not wait for it"]
    asked_once = [at for at in world.hosts[0].calls if 6.5 <= at < 15.0]
    assert asked_once == [8.0], "a question that is open is not asked again"
    others = world.hosts[1].calls
    assert others[4] - others[3] == 2.0 and not world.deaths


def test_nobody_is_waited_for_twice(tmp_path: Path) -> None:
    world = World(tmp_path / "run")
    for part in (*world.hosts[:2], world.edges[0]):
        part.wait = silent_from(5.0)
    world.play()
    grace_s = parse(paced.tree()).grace_s
    # hosts are asked at once, and so are edges: one second for each kind, in one slot
    assert [row.late_s for row in world.of("south")] == [0.0] * 10 + [None]
    at = world.hosts[2].calls
    assert at[:10] == [2.0 * n for n in range(1, 11)]
    assert world.ended_s == pytest.approx(20 + grace_s + LAST_S, abs=3 * SILENT_S)
    assert sorted(world.news) == [
        "north is silent; the others do not wait for it",
        "north-a is silent; the others do not wait for it",
        "north-b is silent; the others do not wait for it",
    ]
    assert sorted(world.deaths) == [
        "north is silent at the run's end",
        "north-a is silent, what it measured last is lost: 1 devices fewer",
        "north-b is silent, what it measured last is lost: 1 devices fewer",
    ]
    assert all(row.edge_queue is None for row in world.of("north")[3:])


def test_a_dead_edge_takes_its_own_hosts_and_the_other_goes_on(tmp_path: Path) -> None:
    world = World(tmp_path / "run")
    world.edges[0].dies_s = 9.0
    world.play()
    assert world.deaths == ["north died: 2 devices fewer, 1 edges go on; what was measured is kept"]
    assert [host.stopped_s for host in world.hosts] == [10.0, 10.0, 20.0, 20.0]
    assert [row.edge_queue for row in world.of("north")] == [1] * 4 + [None] * 7
    assert [row.users for row in world.of("north")][-1] == 0
    assert [row.requests for row in world.of("south")] == [2, *[4] * 9, 4]
    assert sum(row.requests for row in world.slots) == len(world.rows)


def test_a_dead_edge_takes_those_who_ask_it_wherever_they_live(tmp_path: Path) -> None:
    world = World(tmp_path / "run")
    world.edges[0].dies_s = 9.0
    north, south = world.hosts[0], world.hosts[2]
    north.devices = [
        SimpleNamespace(user=0, kind="phone", edge="north"),
        SimpleNamespace(user=1, kind="phone", edge="south"),
    ]
    south.devices = [
        SimpleNamespace(user=2, kind="phone", edge="south"),
        SimpleNamespace(user=3, kind="phone", edge="north"),
    ]
    world.play()
    assert world.deaths == ["north died: 3 devices fewer, 1 edges go on; what was measured is kept"]
    assert [host.stopped_s for host in world.hosts] == [20.0, 10.0, 20.0, 20.0]
    assert (north.gone, south.gone) == ([0], [3])
    assert [row.users for row in world.of("south")] == [3] * 11
    lost = {spec.user for host in world.loop.lost_hosts for spec in host.devices}
    assert lost == {0, 3} and len(world.loop.lost_hosts) == 3


def test_a_run_whose_edges_are_all_dead_ends(tmp_path: Path) -> None:
    world = World(tmp_path / "run")
    for edge in world.edges:
        edge.dies_s = 5.0
    world.play()
    assert world.ended_s < 10 and len(world.deaths) == 2
    assert world.deaths[1] == "south died: the run ends; what was measured is kept"
    assert sum(row.requests for row in world.slots) == len(world.rows)


# an older run's row does not say when it was due: it was when it was sent, after the warm-up
@pytest.mark.parametrize(
    ("late_s", "due_s", "valid"),
    [(0.01, 3.0, 1.0), (0.5, 3.0, 0.0), (0.5, None, 0.0), (0.5, 1.0, 1.0)],
)
def test_run_valid_knows_the_lateness_of_arrivals_after_the_warm_up(
    late_s: float, due_s: float | None, valid: float, tmp_path: Path
) -> None:
    scenario = parse(paced.tree(warmup_s="2s"))
    accounts = SlotAccounts(scenario, Recorder(tmp_path / "run", scenario), RunMetrics())
    host = FakeHost("host-0")
    rows = [host._row(number, 3.0) for number in range(50)]
    for row in rows:
        row.arrival_late_s = late_s
        row.due_s = due_s
    accounts.add([EndedRequest(row, None) for row in rows])
    assert gauge("run_valid")._value.get() == valid


@pytest.mark.parametrize(("edge", "latency_s"), [("shared", 0.75), ("coupled", 0.5)])
def test_a_coupled_edges_slots_count_stages_without_overhead(
    edge: str, latency_s: float, tmp_path: Path
) -> None:
    scenario = load("paper") if edge == "coupled" else parse(paced.tree())
    accounts = SlotAccounts(scenario, Recorder(tmp_path / "run", scenario), RunMetrics())
    row = FakeHost("host-0")._row(0, 3.0)
    row.total_s = 0.75
    row.overhead_s = 0.25
    accounts.add([EndedRequest(row, None)])
    assert [one.latency_s for one in accounts.served(row.edge, row.slot)] == [latency_s]


def test_a_dead_host_takes_only_its_devices(tmp_path: Path) -> None:
    world = World(tmp_path / "run")
    world.hosts[0].dies_s = 9.0
    world.play()
    assert world.deaths == ["north-a died: 1 devices fewer"] and world.renewed == 1
    assert [row.users for row in world.of("north")] == [2] * 4 + [1] * 7
    assert world.hosts[0].calls[-1] == 10.0
    assert [row.requests for row in world.of("north")[5:]] == [2] * 6


def test_a_silent_learner_costs_its_patience_once_and_its_slots_have_no_decision(
    tmp_path: Path,
) -> None:
    world = World(tmp_path / "run")
    world.learners[0].wait = silent_from(5.0, 15.5)
    world.play()
    north = world.of("north")
    without = [row.slot for row in north if row.queue_s is None]
    # asked at 6 s, given up at 11 s; its late answer at 15.5 s is that of slot 2, and of no use
    assert without == list(range(2, without[-1] + 1)) and without[-1] < 9
    late_s = [row.late_s for row in north]
    assert late_s[2] == 0.0 and max(value or 0.0 for value in late_s) == PATIENCE_S - 2
    assert world.news == ["the learner of north is silent: the edge goes on with the last plan"]
    assert len(world.learners[0].served) == 11 - len(without) + 1
    assert all(row.queue_s == row.slot for row in world.of("south"))
    assert sum(row.requests for row in world.slots) == len(world.rows) and not world.deaths


@pytest.mark.parametrize("gone", [False, True])
def test_a_cluster_without_a_head_ends_the_run_in_order_and_nobody_waits_for_it(
    gone: bool, tmp_path: Path
) -> None:
    asked_s: list[float] = []

    async def census() -> Census:
        asked_s.append(asyncio.get_running_loop().time())
        if len(asked_s) == 1:
            return Census(1, {}, {})
        if gone:
            raise PartDied("no head")
        await asyncio.sleep(1e6)
        raise AssertionError("nobody waits so long")

    world = World(tmp_path / "run", duration_s=60, census=census).play()
    assert asked_s == [0.0, 5.0], "by the wall, however long slots are"
    noticed_s = 5 if gone else 15
    assert {host.stopped_s for host in world.hosts} == {noticed_s}, "no slot is waited for"
    assert [row.slot for row in world.of("north")] == list(range(noticed_s // 2 + 1))
    assert all(row.late_s in (0.0, None) for row in world.slots)
    why = "no head" if gone else "the cluster's head has not answered for 10 s"
    assert world.deaths == [f"{why}: the run ends; what was measured is kept"]
    assert sum(row.requests for row in world.slots) == len(world.rows)


def test_the_learner_gets_what_was_served_in_its_slot(tmp_path: Path) -> None:
    world = World(tmp_path / "run", duration_s=4).play()
    assert {slot: len(served) for slot, served in world.learners[0].served.items()} == {
        0: 2,
        1: 4,
        2: 4,
    }


def test_learners_of_coupled_edges_plan_every_slot_at_its_start(tmp_path: Path) -> None:
    world = World(tmp_path / "run", duration_s=7, coupled=True).play()
    for learner in world.learners:
        # two devices with three requests each; the last slot is cut short, and has requests too
        assert learner.begun == [(slot, 2.0 * slot, 6) for slot in range(4)]
    ahead = World(tmp_path / "ahead", duration_s=7).play()
    assert not any(learner.begun for learner in ahead.learners)


def test_no_slot_waits_for_a_learner_that_plans_for_long(tmp_path: Path) -> None:
    world = World(tmp_path / "run", coupled=True)
    world.learners[0].plans = silent_from(3.0, 9.0)
    world.play()
    # asked at 4 s, it answers at 9: the slots of 6 and 8 s have no plan
    assert [slot for slot, _, _ in world.learners[0].begun] == [0, 1, 2, 5, 6, 7, 8, 9]
    assert [row.late_s for row in world.of("north")] == [0.0] * 10 + [None]
    assert [slot for slot, _, _ in world.learners[1].begun] == list(range(10))


def test_a_learner_that_dies_while_it_plans_is_missed_once(tmp_path: Path) -> None:
    world = World(tmp_path / "run", coupled=True)
    world.learners[0].dies_s = 5.0
    world.play()
    assert world.deaths == ["the learner of north died: the edge goes on with what it holds"]
    assert [slot for slot, _, _ in world.learners[0].begun] == [0, 1, 2]
    assert [row.requests for row in world.of("north")] == [2, *[4] * 9, 4]
