"""Who may ask an edge: a token, and certificates of one authority."""

from __future__ import annotations

import dataclasses

import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from midstep.errors import CredentialsError, EdgeUnreachable, MidstepError
from midstep.telemetry.metrics import REGISTRY
from midstep.wire.certificates import ephemeral
from midstep.wire.grpc_channels import open_channel
from midstep.wire.messages_control import CacheUpdate, SlotPlan
from midstep.wire.security import Credentials
from orchestrator.live.edge_client import GrpcControl
from tests.edge_node.served import served
from tests.edge_node.world import ask
from user_agent.client import GrpcEdge

OURS = ephemeral(tls=True)


OTHERS = ephemeral(tls=True)


PLAIN = ephemeral(tls=False)


NO_TOKEN = "a token is asked for"


WRONG_TOKEN = "the token is wrong"


@pytest.mark.parametrize(
    ("edges", "callers", "why"),
    [
        (PLAIN, None, NO_TOKEN),
        (PLAIN, OTHERS, "speaks no TLS"),
        (PLAIN, dataclasses.replace(PLAIN, token=PLAIN.token[:-1] + "!"), WRONG_TOKEN),
        (OURS, dataclasses.replace(OURS, token=OTHERS.token), WRONG_TOKEN),
        (OURS, None, "speaks TLS"),
        (OURS, PLAIN, "speaks TLS"),
        (OURS, OTHERS, "not what our CA vouches for"),
        (OURS, dataclasses.replace(OURS, ca=OTHERS.ca), "not what our CA vouches for"),
        (None, OURS, "speaks no TLS"),
    ],
)
async def test_who_does_not_belong_is_told_at_once_what_to_do(
    edges: Credentials | None,
    callers: Credentials | None,
    why: str,
    capfd: pytest.CaptureFixture[str],
) -> None:
    async with served(credentials=edges) as (edge, address):
        client = GrpcEdge(address, callers)
        learner = GrpcControl(address, callers)
        with pytest.raises(CredentialsError, match=why) as error:
            # at once: an edge that is slow to start is waited for, a wrong one is not
            await client.describe(60)
        assert "\n" not in str(error.value)
        kind: type[MidstepError] = CredentialsError if "token" in why else EdgeUnreachable
        for refused in (
            client.obtain(ask(edge), 5),
            learner.snapshot(),
            learner.apply(CacheUpdate(evict=("key",))),
            learner.gather(0, 1, 5.0),
            learner.serve(SlotPlan(slot=0)),
        ):
            with pytest.raises(kind) as error:
                await refused
            assert "\n" not in str(error.value)
        if "token" in why:  # else it waits for an edge that it can meet
            with pytest.raises(CredentialsError, match=why):
                await anext(learner.watch())
        assert edge.engine.in_flight == 0 and len(edge.staging) == 0
        proper = GrpcEdge(address, edges)
        assert (await proper.obtain(ask(edge), 10)).edge_steps == 6
        for port in (client, learner, proper):
            await port.close()
    assert "Traceback" not in capfd.readouterr().err


async def test_refusals_for_want_of_a_token_are_counted() -> None:
    labels = {"edge": "edge-t", "reason": "token"}
    before = REGISTRY.get_sample_value("midstep_edge_rejections_total", labels) or 0.0
    async with served(credentials=PLAIN) as (edge, address):
        with pytest.raises(CredentialsError):
            await GrpcEdge(address).obtain(ask(edge), 5)
        await GrpcEdge(address, PLAIN).obtain(ask(edge), 5)
    assert REGISTRY.get_sample_value("midstep_edge_rejections_total", labels) == before + 1


async def test_health_is_answered_without_a_token() -> None:
    async with served(credentials=PLAIN) as (_, address):
        async with open_channel(address) as channel:
            reply = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
            assert reply.status == health_pb2.HealthCheckResponse.SERVING


async def test_an_edge_cannot_serve_with_a_devices_credentials() -> None:
    with pytest.raises(CredentialsError, match="are a device's"):
        async with served(credentials=OURS.public()):
            pass
