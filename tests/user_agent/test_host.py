"""A host of devices against a fake edge, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import TypeVar

import pytest

from midstep.clock import VirtualClock, VirtualLoop, run_virtual
from midstep.diffusion import factory
from midstep.diffusion.denoise import Denoiser
from midstep.errors import MidstepError, PartDied, PipelineMismatch, QueueFull, ScenarioError
from midstep.radio.fading import specs
from midstep.scenario import Reuse, Scenario
from midstep.scenario_file import parse
from midstep.telemetry.metrics import counter
from midstep.telemetry.record import RequestRow
from midstep.wire.messages import Answer, Request
from midstep.workload.arrivals import open_law
from midstep.workload.requests import UserRequest, Workload, open_workload
from orchestrator.records import fidelity
from tests import paced
from tests.user_agent.edges import FakeEdge, answer
from user_agent.host import DeviceHost
from user_agent.member import RETRY_S

T = TypeVar("T")


class Prompts:
    """Every user asks for its own prompt, `most` times."""

    def __init__(self, most: int = 10**6) -> None:
        self.most = most

    def user_request(self, user: int, index: int, slot: int) -> UserRequest | None:
        if index >= self.most:
            return None
        return UserRequest(f"a fox of {user}, no. {index}", f"a fox of {user}")


@pytest.fixture(autouse=True)
def identity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(factory, "paced_identity", lambda model: paced.identity())


@asynccontextmanager
async def opened(
    scenario: Scenario, edge: FakeEdge, workload: Workload, references: int = 0
) -> AsyncIterator[DeviceHost]:
    host = await DeviceHost.open(
        scenario, specs(scenario), edge, VirtualClock(), workload, references=references
    )
    try:
        yield host
    finally:
        await host.close()


def with_host(
    use: Callable[[DeviceHost], Awaitable[T]],
    scenario: Scenario,
    edge: FakeEdge | None = None,
    workload: Workload | None = None,
) -> T:
    async def world() -> T:
        async with opened(scenario, edge or FakeEdge(), workload or Prompts()) as host:
            return await use(host)

    return run_virtual(world())


async def rows_until_idle(host: DeviceHost) -> list[RequestRow]:
    host.start(0.0)
    return await rows_until_idle_of(host)


async def rows_until_idle_of(host: DeviceHost) -> list[RequestRow]:
    rows: list[RequestRow] = []
    while not host.idle:
        await asyncio.sleep(1.0)
        rows += [finished.row for finished in host.drain()]
    return rows


def test_every_user_asks_in_its_own_order_and_the_host_ends_idle(scenario: Scenario) -> None:
    edge = FakeEdge()
    rows = with_host(rows_until_idle, scenario, edge, Prompts(3))
    assert {row.result for row in rows} == {"done"} and len(rows) == 4 * 3
    assert sorted(r.request_id for r in rows) == [
        f"{user:05d}-{index:05d}" for user in range(4) for index in range(3)
    ]
    assert {request.pipeline for request in edge.requests} == {paced.identity().digest()}


def test_a_refused_user_asks_again_a_moment_later(scenario: Scenario) -> None:
    async def full(request: Request) -> Answer:
        raise QueueFull("the queue is full")

    rows = with_host(rows_until_idle, scenario, FakeEdge(full), Prompts(3))
    assert {row.result for row in rows} == {"rejected"}
    for user in range(4):
        times = sorted(row.arrived_s for row in rows if row.user == user)
        assert all(b - a >= RETRY_S for a, b in pairwise(times))


def test_poisson_users_do_not_wait_for_their_pictures(scenario: Scenario) -> None:
    async def slow(request: Request) -> Answer:
        await asyncio.sleep(30)
        return answer(request)

    arrivals = {"poisson": {"per_user_per_minute": 60}}
    busy = parse(paced.tree(workload={"catalogue_size": 20, "arrivals": arrivals}))
    rows = with_host(rows_until_idle, busy, FakeEdge(slow), Prompts(3))
    assert len(rows) == 12 and {row.result for row in rows} == {"done"}
    assert max(row.arrived_s for row in rows) < 30


def first_request(stall_s: float, arrivals: dict[str, object]) -> RequestRow:
    """The first request of a user whose host computes for `stall_s` from when it is due."""
    workload = {"catalogue_size": 20, "arrivals": arrivals}
    # in one slot, so that link and device are as quick either way
    lonely = parse(paced.tree(devices=[{"count": 1}], workload=workload, slot_seconds=100))
    arrival = open_law(lonely).arrival(0, 0, 0.0)
    assert arrival is not None

    async def use(host: DeviceHost) -> RequestRow:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        host.start(0.0)
        loop.call_later(arrival.due_s - 1e-6, loop.advance, stall_s)
        (row,) = await rows_until_idle_of(host)
        return row

    row = with_host(use, lonely, FakeEdge(), Prompts(1))
    assert row.due_s == pytest.approx(arrival.due_s, abs=1e-12)
    return row


@pytest.mark.parametrize(
    ("arrivals", "open_arrival"),
    [({"poisson": {"per_user_per_minute": 60}}, True), ({"closed": {"think_s": 1}}, False)],
)
def test_an_arrival_that_was_noticed_late_is_late_in_its_latency(
    arrivals: dict[str, object], open_arrival: bool
) -> None:
    """A host that stalls sends later, and must not make the system look quicker for it."""
    prompt = first_request(0.0, arrivals)
    late = first_request(0.050, arrivals)
    assert prompt.arrival_late_s == 0 and prompt.overhead_s is not None
    assert late.arrival_late_s == pytest.approx(0.050, abs=2e-6)
    assert late.arrived_s == pytest.approx((late.due_s or 0.0) + 0.050, abs=2e-6)
    assert late.overhead_s is not None and late.total_s is not None and prompt.total_s is not None
    of_it = 0.050 if open_arrival else 0.0
    assert late.total_s - prompt.total_s == pytest.approx(of_it, abs=2e-6)
    assert late.overhead_s - prompt.overhead_s == pytest.approx(of_it, abs=2e-6)
    assert (late.think_s is None) == open_arrival
    (arrival,) = (e for e in fidelity.measure([vars(late)], [], 1.0) if e.part == "arrival")
    assert arrival.late_p99_ms == pytest.approx(50, abs=0.01)


def test_a_host_that_begins_late_is_late_and_asks_for_what_was_due(
    scenario: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run's time goes on while a host begins: its users' arrivals stay where they are."""
    arrivals = {"poisson": {"per_user_per_minute": 60}}
    busy = parse(paced.tree(workload={"catalogue_size": 20, "arrivals": arrivals}))
    monkeypatch.setattr(VirtualClock, "begin", lambda self, epoch_s: None)

    async def rows_of(late_s: float, host: DeviceHost) -> list[RequestRow]:
        await asyncio.sleep(late_s)
        return await rows_until_idle(host)

    prompt, late = (
        with_host(partial(rows_of, late_s), busy, workload=Prompts(4)) for late_s in (0.0, 1.5)
    )
    due = lambda rows: {row.request_id: row.due_s for row in rows}  # noqa: E731
    assert due(late) == due(prompt) and len(late) == 4 * 4
    for row in late:
        assert row.due_s is not None
        assert row.arrival_late_s == pytest.approx(max(0.0, 1.5 - row.due_s), abs=1e-6)
    assert max(row.arrival_late_s or 0.0 for row in late) > 0.5


def test_what_was_due_before_the_end_and_not_sent_is_dropped_and_counted() -> None:
    """A host that stalls over the run's end never sends what was due meanwhile."""
    arrivals = {"poisson": {"per_user_per_minute": 300}}
    workload = {"catalogue_size": 20, "arrivals": arrivals, "drift_swaps_per_slot": 9}
    scenario = parse(paced.tree(workload=workload, duration_s=10))
    counted = counter("arrivals_dropped_total", "edge-0")._value.get

    async def rows_of(stall_s: float, host: DeviceHost) -> list[RequestRow]:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        host.start(0.0)
        loop.call_later(9.5, loop.advance, stall_s)
        await asyncio.sleep(10)
        await host.stop(60)
        return [finished.row for finished in host.drain()]

    before = counted()
    whole = with_host(partial(rows_of, 0.0), scenario, workload=open_workload(scenario))
    assert counted() == before and {row.result for row in whole} == {"done"}
    rows = with_host(partial(rows_of, 2.0), scenario, workload=open_workload(scenario))
    due = lambda rows: {(row.request_id, row.due_s, row.prompt) for row in rows}  # noqa: E731
    late = [row for row in rows if (row.due_s or 0.0) > 9.5]
    dropped = [row for row in rows if row.result == "dropped"]
    sent = [row for row in late if row.result == "done"]
    assert due(rows) == due(whole)
    assert due(dropped) | due(sent) == due(late)
    # what a device was waiting for when the host stalled is sent, late; nothing after it
    assert all(row.arrival_late_s > 1.5 for row in sent)  # type: ignore[operator]
    assert len({row.user for row in sent}) == len(sent) <= scenario.users
    assert len(dropped) == counted() - before > 3


def test_users_join_and_leave_while_it_runs(scenario: Scenario) -> None:
    async def use(host: DeviceHost) -> tuple[set[int], set[int]]:
        host.leave([3])
        host.start(0.0)
        await asyncio.sleep(8)
        early = {finished.row.user for finished in host.drain()}
        host.leave([0])
        host.join([specs(scenario)[3]])
        await asyncio.sleep(12)
        host.drain()
        await asyncio.sleep(9)
        return early, {finished.row.user for finished in host.drain()}

    early, late = with_host(use, scenario)
    assert (early, late) == ({0, 1, 2}, {1, 2, 3})


def test_requests_in_flight_are_given_their_grace_and_then_stopped(scenario: Scenario) -> None:
    async def slow(request: Request) -> Answer:
        await asyncio.sleep(20)
        return answer(request)

    def stopped_after(grace_s: float) -> list[RequestRow]:
        async def use(host: DeviceHost) -> list[RequestRow]:
            host.start(0.0)
            await asyncio.sleep(10)
            await host.stop(grace_s)
            assert host.idle
            return [finished.row for finished in host.drain()]

        return with_host(use, scenario, FakeEdge(slow))

    patient = stopped_after(50.0)
    assert len(patient) == 4 and {row.result for row in patient} == {"done"}
    hasty = stopped_after(2.0)
    assert len(hasty) == 4
    assert {row.error for row in hasty} == {"it was stopped before it was finished"}
    assert {row.total_s for row in hasty} == {None}


def test_an_edge_of_another_pipeline_is_refused(scenario: Scenario) -> None:
    async def world() -> None:
        edge = FakeEdge()
        description = await edge.describe()

        async def describe() -> object:
            return replace(description, pipeline=paced.identity(revision="other"))

        edge.describe = describe  # type: ignore[method-assign,assignment]
        async with opened(scenario, edge, Prompts()):
            pass

    with pytest.raises(PipelineMismatch, match="revision is 'other' there and 'r' here"):
        run_virtual(world())


def test_a_host_whose_limits_cannot_be_read_ends_its_computing_thread(
    scenario: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    thread = ThreadPoolExecutor(1)

    async def computing(*args: object) -> tuple[Denoiser, ThreadPoolExecutor]:
        return paced.denoiser(), thread

    monkeypatch.setattr("user_agent.host.open_computing", computing)
    reuse = Reuse(table="none.json")
    without = scenario.model_copy(update={"reuse": reuse})

    async def world() -> None:
        async with opened(without, FakeEdge(), Prompts()):
            pass

    with pytest.raises(ScenarioError, match=r"no file none\.json"):
        run_virtual(world())
    with pytest.raises(RuntimeError, match="after shutdown"):
        thread.submit(len, "")


@pytest.mark.parametrize(
    ("error", "raised", "text"),
    [
        (ValueError("high <= 0"), PartDied, "a device failed: ValueError: high <= 0"),
        (MidstepError("one line"), MidstepError, "one line"),
    ],
)
def test_a_device_whose_task_raises_ends_the_host_in_one_line(
    scenario: Scenario, error: Exception, raised: type[MidstepError], text: str
) -> None:
    class Breaks(Prompts):
        def user_request(self, user: int, index: int, slot: int) -> UserRequest | None:
            if user == 2 and index == 2:
                raise error
            return super().user_request(user, index, slot)

    rows: list[RequestRow] = []

    async def use(host: DeviceHost) -> None:
        host.start(0.0)
        async with asyncio.timeout(1000):
            while True:
                await asyncio.sleep(5.0)
                rows.extend(finished.row for finished in host.drain())

    with pytest.raises(raised) as failure:
        with_host(use, scenario, None, Breaks())
    assert type(failure.value) is raised and str(failure.value) == text
    assert len([row for row in rows if row.user == 2]) == 2  # what it had done is not lost
