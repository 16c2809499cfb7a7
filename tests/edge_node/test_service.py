"""The edge over a real gRPC wire on loopback, paced."""

import asyncio
import socket
import time
from collections.abc import Callable
from typing import Any

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from edge_node.service import serve
from midstep.clock import WallClock
from midstep.errors import (
    AddressError,
    CacheCorrupted,
    EdgeUnreachable,
    FrameError,
    MidstepError,
    PartDied,
    PipelineMismatch,
    PromptError,
    QueueFull,
    ScenarioError,
)
from midstep.wire.messages_control import CacheUpdate, CacheUpdateResult, PlannedStep, SlotPlan
from orchestrator.live.edge_client import GrpcControl
from tests.edge_node.served import served
from tests.edge_node.world import FRAME, ask, make_edge
from user_agent.client import GrpcEdge


async def until(condition: Callable[[], bool]) -> None:
    """Return once it holds; the test's own limit ends a wait in vain."""
    while not condition():  # noqa: ASYNC110 - what it waits for has no event
        await asyncio.sleep(0.005)


async def test_a_frame_and_its_accounts_cross_the_wire_unchanged() -> None:
    async with served() as (edge, address):
        client = GrpcEdge(address)
        control = GrpcControl(address)
        assert (await client.describe()).pipeline == edge.identity
        answer = await client.obtain(ask(edge, "ein Bär 🐻"), 10)
        assert answer.frame == (edge.staging.entries()[0].frame)
        assert (answer.reuse, answer.edge_steps, answer.saved_steps) == ("computed", 6, 0)
        assert (await control.apply(CacheUpdate(((answer.frame.prompt_key, 6),)))).admitted == 1
        assert (await client.obtain(ask(edge, "ein Bär 🐻"), 10)).reuse == "exact"
        snapshot = await control.snapshot()
        assert [(h.prompt, h.step, h.nbytes) for h in snapshot.store] == [("ein Bär 🐻", 6, FRAME)]
        await client.close()


async def test_a_slots_requests_and_its_plan_cross_the_wire() -> None:
    async with served(scale=5.0, coupled=True) as (edge, address):
        edge.clock.begin(time.time())
        client = GrpcEdge(address)
        control = GrpcControl(address)
        request = ask(edge, request_id="r-1", user=3, limit=9, rate_bps=1e6, step_s=0.1)
        alone = ask(edge, "a lion", request_id="r-2")
        asked = [asyncio.create_task(client.obtain(one, 10)) for one in (request, alone)]
        demand = {one.request_id: one for one in await control.gather(0, 2, 0.4)}
        first = demand["r-1"]
        assert (first.prompt, first.user, first.limit) == ("a panda", 3, 9)
        assert (first.rate_bps, first.step_s) == (1e6, 0.1)
        step = PlannedStep(prompt_key=first.prompt_key, step=4)
        await control.serve(SlotPlan(slot=0, steps=(step,)))
        answer, local = await asyncio.gather(*asked)
        assert answer.frame is not None and answer.frame.step == 4
        assert (local.frame, local.reuse) == (None, "local") and local.plan_wait_s > 0
        await client.close()


async def test_an_edge_without_a_gate_says_so_over_the_wire() -> None:
    async with served() as (_, address):
        control = GrpcControl(address)
        for call in (control.gather(0, 1, 0.1), control.serve(SlotPlan(slot=0))):
            with pytest.raises(ScenarioError, match=r"modes\.edge"):
                await call


async def test_the_learner_sees_accesses_as_they_end() -> None:
    async with served() as (edge, address):
        client = GrpcEdge(address)
        watching = GrpcControl(address).watch()
        first = asyncio.ensure_future(anext(watching))
        await until(lambda: len(edge.watchers) == 1)
        await client.obtain(ask(edge, request_id="r-1"), 10)
        access = await first
        assert (access.request_id, access.prompt, access.step, access.nbytes) == (
            "r-1",
            "a panda",
            6,
            FRAME,
        )


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"prompt": ""}, PromptError),
        ({"pipeline": "x"}, PipelineMismatch),
        ({"limit": 0}, PipelineMismatch),
    ],
)
async def test_refusals_have_a_reason_and_their_kind(
    change: dict[str, Any], kind: type[Exception]
) -> None:
    async with served() as (edge, address):
        with pytest.raises(kind) as error:
            await GrpcEdge(address).obtain(ask(edge, **change), 10)
        assert type(error.value) is kind and str(error.value)


@pytest.mark.parametrize(
    ("raised", "received"),
    [
        (FrameError("the solver keeps a thing"), FrameError),
        (CacheCorrupted("it does not add up"), CacheCorrupted),
        (PartDied("the engine has ended"), EdgeUnreachable),
    ],
)
async def test_what_fails_on_the_edge_keeps_its_kind_and_its_words(
    raised: MidstepError, received: type[MidstepError], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*args: object) -> None:
        raise raised

    async with served() as (edge, address):
        monkeypatch.setattr(edge, "obtain", fail)
        with pytest.raises(received) as error:
            await GrpcEdge(address).obtain(ask(edge), 10)
        assert type(error.value) is received and str(error.value) == str(raised)


async def test_a_store_that_does_not_add_up_ends_the_learner_in_one_line() -> None:
    async with served() as (edge, address):
        client = GrpcEdge(address)
        answer = await client.obtain(ask(edge), 10)
        edge.staging.nbytes = -1
        with pytest.raises(CacheCorrupted, match="staging counts") as error:
            await GrpcControl(address).apply(CacheUpdate(((answer.frame.prompt_key, 6),)))
        assert "\n" not in str(error.value)


async def test_loopback_is_not_reached_through_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{free.getsockname()[1]}"
    for name in ("http_proxy", "https_proxy", "grpc_proxy"):
        monkeypatch.setenv(name, nobody)
    for name in ("no_proxy", "NO_PROXY", "no_grpc_proxy"):
        monkeypatch.delenv(name, raising=False)
    async with served() as (edge, address):
        assert (await GrpcEdge(address).describe(timeout_s=5)).edge == edge.name


async def test_a_full_queue_is_resource_exhausted() -> None:
    async with served(scale=1.0, queue_limit=1, max_batch=1) as (edge, address):
        client = GrpcEdge(address)
        calls = [client.obtain(ask(edge, f"prompt {i}"), 10) for i in range(6)]
        results = await asyncio.gather(*calls, return_exceptions=True)
        assert any(isinstance(r, QueueFull) for r in results)
        assert any(not isinstance(r, BaseException) for r in results)


async def test_a_deadline_ends_the_work() -> None:
    async with served(scale=0.01) as (edge, address):  # a step takes a second
        with pytest.raises(TimeoutError):
            await GrpcEdge(address).obtain(ask(edge), 0.3)
        await until(lambda: edge.engine.in_flight == 0)
        assert not edge.staging.entries()


async def test_health_is_served() -> None:
    async with served() as (_, address):
        async with grpc.aio.insecure_channel(address) as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            for name in ("", "midstep.v1.Edge"):
                reply = await stub.Check(health_pb2.HealthCheckRequest(service=name))
                assert reply.status == health_pb2.HealthCheckResponse.SERVING


async def test_a_port_in_use_is_one_line() -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        with pytest.raises(AddressError, match="port is in use"):
            await serve(make_edge(WallClock()), f"127.0.0.1:{busy.getsockname()[1]}")


async def test_an_edge_that_is_not_there_is_one_line() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(EdgeUnreachable, match=r"python -m edge_node") as error:
        await GrpcEdge(f"127.0.0.1:{port}").describe(timeout_s=0.5)
    assert "\n" not in str(error.value)


async def test_an_edit_larger_than_a_message_is_applied_whole_and_in_order() -> None:
    async with served(capacity=FRAME) as (edge, address):
        client = GrpcEdge(address)
        control = GrpcControl(address)
        keys = [
            (await client.obtain(ask(edge, f"prompt {i}"), 10)).frame.prompt_key for i in range(2)
        ]
        assert await control.apply(CacheUpdate(((keys[0], 6),))) == CacheUpdateResult(1, 0, 0)
        strangers = [f"{i:064x}" for i in range(70_000)]  # 5 MB of keys, above REQUEST_LIMIT
        update = CacheUpdate(
            ((keys[1], 6), *((key, 6) for key in strangers)), (*strangers, keys[0])
        )
        assert await control.apply(update) == CacheUpdateResult(1, 1, 70_000)
        assert [h.prompt_key for h in (await control.snapshot()).store] == [keys[1]]


async def test_a_caller_that_sends_no_message_and_goes_leaves_no_traceback(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    async with served() as (_, address), grpc.aio.insecure_channel(address) as channel:
        apply: Any = channel.unary_unary("/midstep.v1.Control/Apply", None, None)
        for number in range(200):
            call = apply(b"\xff\xff", timeout=5)
            await asyncio.sleep(0.0005 * (number % 4))
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await apply(b"\xff\xff", timeout=5)
        assert error.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert "Traceback" not in capfd.readouterr().err and not caplog.records
