"""The edge as the learner reaches it over gRPC: ControlPort on a channel."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import grpc
import grpc.aio

from midstep.errors import (
    CacheCorrupted,
    CredentialsError,
    EdgeUnreachable,
    MidstepError,
    ScenarioError,
)
from midstep.v1 import edge_pb2 as pb
from midstep.v1 import edge_pb2_grpc as rpc
from midstep.wire import convert_control
from midstep.wire.grpc_channels import bearer, open_channel
from midstep.wire.messages_control import (
    Access,
    CacheSnapshot,
    CacheUpdate,
    CacheUpdateResult,
    Demand,
    SlotPlan,
)
from midstep.wire.security import Credentials

__all__ = ["GrpcControl", "parts"]

TIMEOUT_S = 10.0
KEYS = 20_000  # of an update in one message: 1.4 MB, where an edge takes REQUEST_LIMIT


def parts(update: CacheUpdate) -> Iterator[CacheUpdate]:
    """Split an update into messages within the edge's size limit; evictions stay before admissions,
    so that the same outputs fit; a plan's targets come last, when what it keeps is there."""
    if len(update.evict) + len(update.admit) <= KEYS:
        yield update
        return
    for at in range(0, len(update.evict), KEYS):
        yield CacheUpdate(evict=update.evict[at : at + KEYS])
    for at in range(0, len(update.admit), KEYS):
        yield CacheUpdate(admit=update.admit[at : at + KEYS])
    if update.targets is not None:
        yield CacheUpdate(targets=update.targets)


class GrpcControl:
    """See midstep.wire.messages_control.ControlPort."""

    def __init__(self, address: str, credentials: Credentials | None = None) -> None:
        self.address = address
        self._bearer = bearer(credentials)
        self._channel = open_channel(address, credentials)
        self._stub = rpc.ControlStub(self._channel)

    async def watch(self) -> AsyncIterator[Access]:
        try:
            async for message in self._stub.Watch(
                pb.WatchRequest(), wait_for_ready=True, metadata=self._bearer
            ):
                yield convert_control.access_from(message)
        except grpc.aio.AioRpcError as error:
            raise self._gone(error) from error

    async def apply(self, update: CacheUpdate) -> CacheUpdateResult:
        total = CacheUpdateResult()
        try:
            for part in parts(update):
                call = self._stub.Apply(
                    convert_control.update_to(part), timeout=TIMEOUT_S, metadata=self._bearer
                )
                total += convert_control.result_from(await call)
        except grpc.aio.AioRpcError as error:
            raise self._gone(error) from error
        return total

    async def snapshot(self) -> CacheSnapshot:
        try:
            call = self._stub.Contents(
                pb.ContentsRequest(), timeout=TIMEOUT_S, metadata=self._bearer
            )
            return convert_control.snapshot_from(await call)
        except grpc.aio.AioRpcError as error:
            raise self._gone(error) from error

    async def gather(self, slot: int, expected: int, wait_s: float) -> tuple[Demand, ...]:
        # no deadline: the edge ends the wait by its own clock, half a slot at the latest
        request = pb.GatherRequest(slot=slot, expected=expected, wait_seconds=wait_s)
        try:
            reply = await self._stub.Gather(request, metadata=self._bearer)
        except grpc.aio.AioRpcError as error:
            raise self._gone(error) from error
        return tuple(convert_control.demand_from(demand) for demand in reply.demand)

    async def serve(self, plan: SlotPlan) -> None:
        try:
            await self._stub.Serve(
                convert_control.plan_to(plan), timeout=TIMEOUT_S, metadata=self._bearer
            )
        except grpc.aio.AioRpcError as error:
            raise self._gone(error) from error

    async def close(self) -> None:
        """Close the channel."""
        await self._channel.close()

    def _gone(self, error: grpc.aio.AioRpcError) -> MidstepError:
        if error.code() == grpc.StatusCode.UNAUTHENTICATED:
            return CredentialsError(
                f"the edge at {self.address} refuses the learner: {error.details()}"
            )
        if error.code() == grpc.StatusCode.ABORTED:
            return CacheCorrupted(f"the edge at {self.address}: {error.details()}")
        if error.code() == grpc.StatusCode.FAILED_PRECONDITION:
            return ScenarioError(error.details() or "modes.edge")
        return EdgeUnreachable(f"the edge at {self.address} does not answer ({error.code().name})")
