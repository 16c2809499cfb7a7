"""The edge as the learner reaches it over gRPC: ControlPort on a channel."""

from __future__ import annotations

from collections.abc import AsyncIterator

import grpc
import grpc.aio

from midstep import convert
from midstep.errors import EdgeUnreachable
from midstep.tuning import GRPC_OPTIONS
from midstep.v1 import edge_pb2 as pb
from midstep.v1 import edge_pb2_grpc as rpc
from midstep.wire import Access, Contents, Edit, EditResult

TIMEOUT_S = 10.0


class GrpcControl:
    """See midstep.wire.ControlPort."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._channel = grpc.aio.insecure_channel(address, options=GRPC_OPTIONS)
        self._stub = rpc.ControlStub(self._channel)

    async def watch(self) -> AsyncIterator[Access]:
        try:
            async for message in self._stub.Watch(pb.WatchRequest(), wait_for_ready=True):
                yield convert.access_from(message)
        except grpc.aio.AioRpcError as error:
            raise self._gone(error) from error

    async def apply(self, edit: Edit) -> EditResult:
        try:
            return convert.result_from(await self._stub.Apply(convert.edit_to(edit), timeout=TIMEOUT_S))
        except grpc.aio.AioRpcError as error:
            raise self._gone(error) from error

    async def contents(self) -> Contents:
        try:
            return convert.contents_from(await self._stub.Contents(pb.ContentsRequest(), timeout=TIMEOUT_S))
        except grpc.aio.AioRpcError as error:
            raise self._gone(error) from error

    async def close(self) -> None:
        """Close the channel."""
        await self._channel.close()

    def _gone(self, error: grpc.aio.AioRpcError) -> EdgeUnreachable:
        return EdgeUnreachable(f"the edge at {self.address} does not answer ({error.code().name})")
