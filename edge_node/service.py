"""The gRPC service of an edge: deadlines, health checking, and a status code for each kind of
refusal."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1._async import HealthServicer

from edge_node.edge import Edge
from midstep.errors import (
    CacheCorrupted,
    FrameError,
    MidstepError,
    PipelineMismatch,
    PromptError,
    QueueFull,
    ScenarioError,
)
from midstep.v1 import edge_pb2 as pb
from midstep.v1 import edge_pb2_grpc as rpc
from midstep.wire import convert, convert_control, convert_neighbours
from midstep.wire.grpc_channels import TokenCheck, add_port
from midstep.wire.security import Credentials
from midstep.wire.tuning import SERVER_OPTIONS

__all__ = ["EdgeService", "serve", "stop"]

if TYPE_CHECKING:
    Context = grpc.aio.ServicerContext[Any, Any]  # generic in the stubs only
DEFAULT_TIMEOUT_S = 300.0  # of a caller that names no deadline

# How an error ends a call: its class (the first that fits), the metric's reason, the status code.
# user_agent.client turns status codes back into errors.
REFUSALS: tuple[tuple[type[Exception], str, grpc.StatusCode], ...] = (
    (PromptError, "prompt", grpc.StatusCode.INVALID_ARGUMENT),
    (QueueFull, "queue", grpc.StatusCode.RESOURCE_EXHAUSTED),
    (PipelineMismatch, "identity", grpc.StatusCode.FAILED_PRECONDITION),
    (FrameError, "frame", grpc.StatusCode.DATA_LOSS),
    (TimeoutError, "deadline", grpc.StatusCode.DEADLINE_EXCEEDED),
    (CacheCorrupted, "", grpc.StatusCode.ABORTED),
)


class EdgeService(rpc.EdgeServicer, rpc.ControlServicer, rpc.NeighbourServicer):
    """The services of proto/midstep/v1/edge.proto."""

    def __init__(self, edge: Edge) -> None:
        self.edge = edge

    async def Describe(self, request: pb.DescribeRequest, context: Context) -> pb.Description:
        return convert.description_to(await self.edge.describe())

    async def Obtain(self, request: pb.OutputRequest, context: Context) -> pb.OutputReply:
        left = context.time_remaining()
        try:
            answer = await self.edge.obtain(
                convert.request_from(request), DEFAULT_TIMEOUT_S if left is None else left
            )
        except (MidstepError, TimeoutError) as error:
            await self._refuse(context, error)
            raise AssertionError("abort raises") from error
        return convert.answer_to(answer)

    async def Report(self, request: pb.QualitySample, context: Context) -> pb.ReportReply:
        try:
            await self.edge.report(convert.sample_from(request))
        except PromptError as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        return pb.ReportReply()

    async def Watch(self, request: pb.WatchRequest, context: Context) -> AsyncIterator[pb.Access]:
        accesses = self.edge.watch()
        try:
            async for access in accesses:
                yield convert_control.access_to(access)
        finally:
            await accesses.aclose()  # type: ignore[attr-defined]

    async def Apply(self, request: pb.Edit, context: Context) -> pb.EditResult:
        try:
            result = await self.edge.apply(convert_control.update_from(request))
        except CacheCorrupted as error:
            await context.abort(grpc.StatusCode.ABORTED, str(error))
        return convert_control.result_to(result)

    async def Contents(self, request: pb.ContentsRequest, context: Context) -> pb.ContentsReply:
        return convert_control.snapshot_to(await self.edge.snapshot())

    async def Digest(self, request: pb.DigestRequest, context: Context) -> pb.DigestReply:
        try:
            digest = await self.edge.digest(request.known)
        except CacheCorrupted as error:
            await context.abort(grpc.StatusCode.ABORTED, str(error))
        return convert_neighbours.digest_to(digest)

    async def Lend(self, request: pb.LendRequest, context: Context) -> pb.LendReply:
        try:
            lent = await self.edge.lend(request.prompt_key, request.step)
        except CacheCorrupted as error:
            await context.abort(grpc.StatusCode.ABORTED, str(error))
        return convert_neighbours.lent_to(lent)

    async def Gather(self, request: pb.GatherRequest, context: Context) -> pb.GatherReply:
        try:
            demand = await self.edge.gather(request.slot, request.expected, request.wait_seconds)
        except ScenarioError as error:
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(error))
        return pb.GatherReply(demand=[convert_control.demand_to(one) for one in demand])

    async def Serve(self, request: pb.SlotPlan, context: Context) -> pb.ServeReply:
        try:
            await self.edge.serve(convert_control.plan_from(request))
        except ScenarioError as error:
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(error))
        return pb.ServeReply()

    async def _refuse(self, context: Context, error: Exception) -> None:
        """End the call with the status of `error`, and count it."""
        reason, code = next(
            ((reason, code) for kind, reason, code in REFUSALS if isinstance(error, kind)),
            ("", grpc.StatusCode.UNAVAILABLE),
        )
        if reason:
            self.edge.metrics.rejected(reason)
        await context.abort(code, str(error) or "the deadline passed before the output was ready")


async def serve(
    edge: Edge, address: str, credentials: Credentials | None = None
) -> tuple[grpc.aio.Server, int]:
    """Serve an edge at HOST:PORT (port 0: a free one); the server and its port.

    With credentials each call needs their token, and TLS where they have a key. Raises
    AddressError and CredentialsError, one line.
    """
    checks = (
        []
        if credentials is None
        else [TokenCheck(credentials, lambda: edge.metrics.rejected("token"))]
    )
    server = grpc.aio.server(interceptors=checks, options=SERVER_OPTIONS)
    service = EdgeService(edge)
    rpc.add_EdgeServicer_to_server(service, server)
    rpc.add_ControlServicer_to_server(service, server)
    rpc.add_NeighbourServicer_to_server(service, server)
    health = HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    port = add_port(server, address, credentials)
    await server.start()
    for name in ("", "midstep.v1.Edge", "midstep.v1.Control", "midstep.v1.Neighbour"):
        await health.set(name, health_pb2.HealthCheckResponse.SERVING)
    return server, port


async def stop(server: grpc.aio.Server, grace_s: float = 1.0) -> None:
    """Refuse new requests, give those in flight `grace_s`, then end."""
    await asyncio.shield(server.stop(grace_s))
