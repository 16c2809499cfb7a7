"""The edge as a device reaches it over gRPC: EdgePort on a channel."""

from __future__ import annotations

import grpc
import grpc.aio

from midstep import convert
from midstep.errors import EdgeUnreachable, FrameError, PromptError, QueueFull
from midstep.tuning import GRPC_OPTIONS
from midstep.v1 import edge_pb2 as pb
from midstep.v1 import edge_pb2_grpc as rpc
from midstep.wire import Answer, Description, Request

_REFUSALS = {
    grpc.StatusCode.INVALID_ARGUMENT: PromptError,
    grpc.StatusCode.RESOURCE_EXHAUSTED: QueueFull,
    grpc.StatusCode.FAILED_PRECONDITION: FrameError,
    grpc.StatusCode.DEADLINE_EXCEEDED: TimeoutError,
}


class GrpcEdge:
    """See midstep.wire.EdgePort. One channel; create it in the process and loop that use it."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._channel = grpc.aio.insecure_channel(address, options=GRPC_OPTIONS)
        self._stub = rpc.EdgeStub(self._channel)

    async def describe(self, timeout_s: float = 20.0) -> Description:
        """Waits up to `timeout_s` for somebody to answer."""
        try:
            reply = await self._stub.Describe(pb.DescribeRequest(), timeout=timeout_s, wait_for_ready=True)
        except grpc.aio.AioRpcError as error:
            raise EdgeUnreachable(
                f"no edge answers at {self.address} ({error.code().name}): "
                f"start one with python -m edge_node --listen {self.address}"
            ) from error
        return convert.description_from(reply)

    async def obtain(self, request: Request, timeout_s: float) -> Answer:
        try:
            return convert.answer_from(await self._stub.Obtain(convert.request_to(request), timeout=timeout_s))
        except grpc.aio.AioRpcError as error:
            kind = _REFUSALS.get(error.code(), EdgeUnreachable)
            raise kind(error.details() or f"the edge at {self.address} answers {error.code().name}") from error

    async def close(self) -> None:
        """Close the channel."""
        await self._channel.close()
