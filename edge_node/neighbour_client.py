"""A neighbour as an edge reaches it over gRPC: NeighbourPort on a channel."""

from __future__ import annotations

import grpc
import grpc.aio

from midstep.errors import EdgeUnreachable
from midstep.v1 import edge_pb2 as pb
from midstep.v1 import edge_pb2_grpc as rpc
from midstep.wire import convert_neighbours
from midstep.wire.grpc_channels import bearer, open_channel
from midstep.wire.messages_neighbours import Digest, LentOutput
from midstep.wire.security import Credentials

__all__ = ["GrpcNeighbour"]

TIMEOUT_S = 5.0  # wall seconds: what is asked for is in the neighbour's memory, or on its disk


class GrpcNeighbour:
    """See midstep.wire.messages_neighbours.NeighbourPort."""

    def __init__(self, address: str, credentials: Credentials | None = None) -> None:
        self.address = address
        self._bearer = bearer(credentials)
        self._channel = open_channel(address, credentials)
        self._stub = rpc.NeighbourStub(self._channel)

    async def digest(self, known: int) -> Digest:
        request = pb.DigestRequest(known=known)
        try:
            reply = await self._stub.Digest(request, timeout=TIMEOUT_S, metadata=self._bearer)
        except grpc.aio.AioRpcError as error:
            raise self._gone(error) from error
        return convert_neighbours.digest_from(reply)

    async def lend(self, prompt_key: str, step: int) -> LentOutput | None:
        request = pb.LendRequest(prompt_key=prompt_key, step=step)
        try:
            reply = await self._stub.Lend(request, timeout=TIMEOUT_S, metadata=self._bearer)
        except grpc.aio.AioRpcError as error:
            raise self._gone(error) from error
        return convert_neighbours.lent_from(reply)

    async def close(self) -> None:
        """Close the channel."""
        await self._channel.close()

    def _gone(self, error: grpc.aio.AioRpcError) -> EdgeUnreachable:
        why = error.code().name
        if error.code() in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.ABORTED):
            why = error.details() or why
        return EdgeUnreachable(f"{self.address}: {why}")
