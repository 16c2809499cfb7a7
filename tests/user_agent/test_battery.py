"""Energy of devices, and batteries that run empty, in virtual time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from midstep.clock import VirtualClock, run_virtual
from midstep.diffusion import factory
from midstep.events.changes import DeviceChange
from midstep.radio.fading import specs
from midstep.scenario import Scenario
from midstep.scenario_file import parse
from midstep.telemetry.metrics import counter
from midstep.telemetry.record import BATTERY_EMPTY, RequestRow
from midstep.workload.requests import UserRequest
from tests import paced
from tests.user_agent.edges import FakeEdge, open_device
from user_agent.host import DeviceHost

OPEN = {"catalogue_size": 20, "arrivals": {"poisson": {"per_user_per_minute": 60}}}


class Foxes:
    def user_request(self, user: int, index: int, slot: int) -> UserRequest | None:
        return UserRequest(f"a fox of {user}, no. {index}", f"a fox of {user}")


@pytest.fixture(autouse=True)
def identity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(factory, "paced_identity", lambda model: paced.identity())


def world_of(count: int = 1, workload: Any = None, **phone: Any) -> Scenario:
    devices = [{"class": "phone", "count": count, "watts": 4.0, **phone}]
    return parse(paced.tree(devices=devices, workload=workload or {"catalogue_size": 20}))


def rows_of(scenario: Scenario, change: DeviceChange | None = None) -> list[RequestRow]:
    """Rows of a host until nobody asks any more."""

    async def world() -> list[RequestRow]:
        clock = VirtualClock()
        host = await DeviceHost.open(scenario, specs(scenario), FakeEdge(), clock, Foxes())
        host.start(0.0)
        if change is not None:
            host.change(change, range(9))
        rows: list[RequestRow] = []
        while not host.idle and clock.now() < scenario.duration_s:
            await asyncio.sleep(0.5)
            rows += [finished.row for finished in host.drain()]
        await host.close()
        return rows

    return run_virtual(world())


def test_joules_are_split_into_computing_and_receiving() -> None:
    (row, *_) = rows_of(world_of(receive_nj_per_bit=100.0))
    assert row.result == "done" and row.device_s is not None and row.joules is not None
    assert row.receive_joules == pytest.approx(100e-9 * 8 * 500_000)
    assert row.joules - row.receive_joules == pytest.approx(4.0 * row.device_s)


def test_what_is_sent_again_is_received_again() -> None:
    lossy = DeviceChange(frame_loss=0.5)
    rows = [row for row in rows_of(world_of(receive_nj_per_bit=100.0), lossy) if row.resent]
    assert rows
    for row in rows:
        assert row.resent is not None
        assert row.receive_joules == pytest.approx(0.4 * (1 + row.resent))


@pytest.mark.parametrize("workload", [None, OPEN])
def test_a_device_whose_battery_is_empty_leaves_with_a_row_for_all_it_had_open(
    workload: Any,
) -> None:
    empty = counter("batteries_empty_total", "edge-0")
    before = empty._value.get()
    rows = rows_of(world_of(workload=workload, battery_j=8.0, receive_nj_per_bit=100.0))
    done = [row for row in rows if row.result == "done"]
    cut = [row for row in rows if row.result == "failed"]
    assert done and len(done) + len(cut) == len(rows)
    assert {row.error for row in cut} == {BATTERY_EMPTY}
    assert len(cut) == 1 if workload is None else cut
    # not a joule more or less, whatever it was in the middle of
    assert sum(row.joules or 0.0 for row in rows) == pytest.approx(8.0)
    assert empty._value.get() - before == 1


def test_who_is_gone_can_be_sent_away() -> None:
    """The centre hears of an empty battery at the slot's end, and may send its device away before
    that."""

    async def world() -> list[RequestRow]:
        phones = world_of(battery_j=1.0)
        host = await DeviceHost.open(phones, specs(phones), FakeEdge(), VirtualClock(), Foxes())
        host.start(0.0)
        await asyncio.sleep(20)
        assert host.idle
        host.leave([0])
        await host.close()
        return [finished.row for finished in host.drain()]

    (row,) = run_virtual(world())
    assert row.error == BATTERY_EMPTY


def test_receiving_empties_a_battery_too() -> None:
    rows = rows_of(world_of(battery_j=1.0, receive_nj_per_bit=100.0, watts=0.0))
    assert [row.receive_joules for row in rows] == pytest.approx([0.4, 0.4, 0.2])
    assert rows[2].error == BATTERY_EMPTY


def test_a_slowed_device_takes_its_power_for_longer() -> None:
    quick = rows_of(world_of(battery_j=8.0))
    slow = rows_of(world_of(battery_j=8.0), DeviceChange(speed_factor=0.5))
    assert len(slow) < len(quick)
    assert sum(row.joules or 0.0 for row in slow) == pytest.approx(8.0)


def test_an_empty_device_asks_for_nothing() -> None:
    async def world() -> RequestRow:
        edge = FakeEdge()
        device = await open_device(world_of(battery_j=0.01), edge)
        lion = UserRequest("a lion", "a lion")
        assert (await device.request("r-1", lion)).row.error == BATTERY_EMPTY
        row = (await device.request("r-2", lion)).row
        assert len(edge.requests) == 1
        return row

    row = run_virtual(world())
    assert (row.result, row.error, row.joules) == ("failed", BATTERY_EMPTY, None)
