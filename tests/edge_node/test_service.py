"""The edge over a real gRPC wire on loopback, paced."""

import asyncio
import socket
from typing import Any

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from edge_node.service import serve
from midstep.clock import WallClock
from midstep.errors import EdgeUnreachable, FrameError, PromptError, QueueFull, ScenarioError
from midstep.wire.messages import CacheUpdate, CacheUpdateResult
from orchestrator.live.edge_client import GrpcControl
from tests.edge_node.served import served
from tests.edge_node.world import FRAME, ask, make_edge
from user_agent.client import GrpcEdge


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


async def test_the_learner_sees_accesses_as_they_end() -> None:
    async with served() as (edge, address):
        client = GrpcEdge(address)
        watching = GrpcControl(address).watch()
        first = asyncio.ensure_future(anext(watching))
        await asyncio.sleep(0.3)
        await client.obtain(ask(edge, request_id="r-1"), 10)
        access = await asyncio.wait_for(first, 5)
        assert (access.request_id, access.prompt, access.step, access.nbytes) == (
            "r-1",
            "a panda",
            6,
            FRAME,
        )


@pytest.mark.parametrize(
    ("change", "kind"),
    [({"prompt": ""}, PromptError), ({"pipeline": "x"}, FrameError), ({"steps": 0}, FrameError)],
)
async def test_refusals_have_a_reason_and_their_kind(
    change: dict[str, Any], kind: type[Exception]
) -> None:
    async with served() as (edge, address):
        with pytest.raises(kind) as error:
            await GrpcEdge(address).obtain(ask(edge, **change), 10)
        assert str(error.value)


async def test_a_full_queue_is_resource_exhausted() -> None:
    async with served(scale=1.0, queue_limit=1, max_batch=1) as (edge, address):
        client = GrpcEdge(address)
        asked = [client.obtain(ask(edge, f"prompt {i}"), 10) for i in range(6)]
        results = await asyncio.gather(*asked, return_exceptions=True)
        assert any(isinstance(r, QueueFull) for r in results)
        assert any(not isinstance(r, BaseException) for r in results)


async def test_a_deadline_ends_the_work() -> None:
    async with served(scale=0.05) as (edge, address):
        with pytest.raises(TimeoutError):
            await GrpcEdge(address).obtain(ask(edge), 0.3)
        await asyncio.sleep(1.0)
        assert edge.engine.in_flight == 0


async def test_health_is_served() -> None:
    async with served() as (_, address):
        async with grpc.aio.insecure_channel(address) as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            for name in ("", "midstep.v1.Edge"):
                reply = await stub.Check(health_pb2.HealthCheckRequest(service=name))
                assert reply.status == health_pb2.HealthCheckResponse.SERVING


async def test_a_port_in_use_is_one_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(ScenarioError, match="port is in use"):
            await serve(make_edge(WallClock()), f"127.0.0.1:{taken.getsockname()[1]}")


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
