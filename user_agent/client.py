"""The edge as a device reaches it over gRPC: EdgePort on a channel."""

from __future__ import annotations

import time

import grpc
import grpc.aio

from midstep.errors import (
    CacheCorrupted,
    CredentialsError,
    EdgeUnreachable,
    FrameError,
    PipelineMismatch,
    PromptError,
    QueueFull,
)
from midstep.v1 import edge_pb2 as pb
from midstep.v1 import edge_pb2_grpc as rpc
from midstep.wire import convert
from midstep.wire.grpc_channels import bearer, mismatch, open_channel
from midstep.wire.messages import Answer, Description, QualitySample, Request
from midstep.wire.security import Credentials

__all__ = ["GrpcEdge"]

_REFUSALS = {
    grpc.StatusCode.INVALID_ARGUMENT: PromptError,
    grpc.StatusCode.RESOURCE_EXHAUSTED: QueueFull,
    grpc.StatusCode.FAILED_PRECONDITION: PipelineMismatch,
    grpc.StatusCode.DATA_LOSS: FrameError,
    grpc.StatusCode.ABORTED: CacheCorrupted,
    grpc.StatusCode.DEADLINE_EXCEEDED: TimeoutError,
    grpc.StatusCode.UNAUTHENTICATED: CredentialsError,
}

REPORT_S = 20.0  # wall seconds for what the edge does at once


class GrpcEdge:
    """See midstep.wire.messages.EdgePort. One channel; create it in the process and loop that use
    it."""

    def __init__(self, address: str, credentials: Credentials | None = None) -> None:
        self.address = address
        self._credentials = credentials
        self._bearer = bearer(credentials)
        self._channel = open_channel(address, credentials)
        self._stub = rpc.EdgeStub(self._channel)

    async def describe(self, timeout_s: float = 20.0) -> Description:
        """The edge's description; waits up to `timeout_s` for an edge to answer. Raises
        CredentialsError at once where the two ends' credentials do not fit."""
        ends = time.monotonic() + timeout_s
        try:
            return await self._describe(timeout_s, False)
        except EdgeUnreachable:
            return await self._describe(max(0.1, ends - time.monotonic()), True)

    async def _describe(self, timeout_s: float, wait: bool) -> Description:
        try:
            reply = await self._stub.Describe(
                pb.DescribeRequest(), timeout=timeout_s, wait_for_ready=wait, metadata=self._bearer
            )
        except grpc.aio.AioRpcError as error:
            if error.code() == grpc.StatusCode.UNAUTHENTICATED:
                raise CredentialsError(
                    f"the edge at {self.address} refuses us: {error.details()}"
                ) from error
            why = await mismatch(self.address, self._credentials)
            if why is not None:
                raise CredentialsError(why) from error
            raise EdgeUnreachable(
                f"no edge answers at {self.address} ({error.code().name}): "
                f"start one with python -m edge_node --listen {self.address}"
            ) from error
        return convert.description_from(reply)

    async def obtain(self, request: Request, timeout_s: float) -> Answer:
        """See EdgePort."""
        try:
            call = self._stub.Obtain(
                convert.request_to(request), timeout=timeout_s, metadata=self._bearer
            )
            return convert.answer_from(await call)
        except grpc.aio.AioRpcError as error:
            reason = error.details() or f"the edge at {self.address} answers {error.code().name}"
            if "message larger than max" in reason:  # gRPC gives it the code of a full queue
                raise FrameError(f"with the edge at {self.address}: {reason}") from error
            raise _REFUSALS.get(error.code(), EdgeUnreachable)(reason) from error

    async def report(self, sample: QualitySample) -> None:
        """See EdgePort."""
        try:
            await self._stub.Report(
                convert.sample_to(sample), timeout=REPORT_S, metadata=self._bearer
            )
        except grpc.aio.AioRpcError as error:
            reason = error.details() or f"the edge at {self.address} answers {error.code().name}"
            raise _REFUSALS.get(error.code(), EdgeUnreachable)(reason) from error

    async def close(self) -> None:
        """Close the channel."""
        await self._channel.close()
