"""Calls to an edge and to a live run, over gRPC."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any, ClassVar

import grpc
import grpc.aio
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from midstep.clock import WallClock
from midstep.errors import FrameError
from midstep.scenario_file import parse
from midstep.v1 import edge_pb2, run_pb2
from midstep.v1 import run_pb2_grpc as run_rpc
from midstep.wire.convert import request_to
from midstep.wire.message_check import MessageCheck
from orchestrator.live.cell import Parts
from orchestrator.live.run_service import RunService
from orchestrator.live.scaling import Scaler
from tests import paced
from tests.edge_node.served import served
from tests.edge_node.world import ask
from tests.fuzz.kind import Fault, Kind
from tests.fuzz.mutation import damaged, nasty_text

__all__ = ["Calls"]

WAIT_S = 0.5  # wall seconds that a caller waits
PROPER_EVERY = 25  # calls between two of a proper device
NUMBERS = (0, 1, 2, 6, 10, 11, 1000, 2**31 - 1, -1, -(2**31), 2**32 - 1, 2**63 - 1, 2**64 - 1)
FLOATS = (0.0, 1.0, -1.0, 0.01, 1e308, float("inf"), float("-inf"), float("nan"))
BROKEN = (grpc.StatusCode.UNKNOWN, grpc.StatusCode.ABORTED)  # a handler raised; a corrupt cache


class Calls(Kind):
    """Bytes and messages with odd values to every method of an edge's services and a run's."""

    name = "calls"
    waits: ClassVar[bool] = True

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(self._note)
        self._unread: list[str] = []
        self._calls = 0
        self._served = served()
        self._loop.run_until_complete(self._open())

    async def _open(self) -> None:
        self._edge, address = await self._served.__aenter__()
        scaler = Scaler(
            parse(paced.TREE), Parts(cells=[], targets=[]), 0.0, WallClock(1.0), lambda _: None
        )
        self._run = grpc.aio.server(interceptors=[MessageCheck()])
        run_rpc.add_RunServicer_to_server(RunService(scaler), self._run)
        port = self._run.add_insecure_port("127.0.0.1:0")
        await self._run.start()
        addresses = {edge_pb2: address, run_pb2: f"127.0.0.1:{port}"}
        self._channels = {pb: grpc.aio.insecure_channel(at) for pb, at in addresses.items()}
        self._methods = [
            (channel, method)
            for pb, channel in self._channels.items()
            for service in pb.DESCRIPTOR.services_by_name.values()
            for method in service.methods
        ]

    def close(self) -> None:
        """End both servers."""
        self._loop.run_until_complete(self._close())
        self._loop.close()

    async def _close(self) -> None:
        for channel in self._channels.values():
            await channel.close()
        await self._run.stop(0)
        await self._served.__aexit__(None, None, None)

    def one(self, rng: Random) -> None:
        """Call one method."""
        self._calls += 1
        self._loop.run_until_complete(self._one(rng))
        if self._unread:
            raise Fault(self._unread.pop())

    async def _one(self, rng: Random) -> None:
        if self._calls % PROPER_EVERY == 0:
            return await self._proper()
        channel, method = rng.choice(self._methods)
        message = _message(method.input_type, rng)
        if method.name == "Obtain" and rng.random() < 0.7:
            message.MergeFrom(request_to(ask(self._edge, f"a panda {rng.randrange(20)}")))
            _set_odd(message, rng)
        data = message.SerializeToString()
        if rng.random() < 0.3:
            data = damaged(data, rng)
        try:
            await self._call(channel, method, data, rng)
        except grpc.aio.AioRpcError as error:
            details = error.details() or ""
            if error.code() in BROKEN:
                raise Fault(f"{method.name}: {error.code().name}: {details}") from error
            raise FrameError(details.partition("\n")[0] or error.code().name) from error
        except asyncio.CancelledError as error:
            raise FrameError("the caller went") from error

    async def _call(
        self, channel: grpc.aio.Channel, method: MethodDescriptor, data: bytes, rng: Random
    ) -> None:
        service = method.containing_service.full_name
        path = f"/{service}/{method.name}"
        if method.server_streaming:
            stream: Any = channel.unary_stream(path, None, None)(data, timeout=WAIT_S)
            waiting = asyncio.ensure_future(stream.read())
            await asyncio.wait({waiting}, timeout=0.01)
            stream.cancel()
            await waiting
            return
        call: Any = channel.unary_unary(path, None, None)(data, timeout=WAIT_S)
        if rng.random() < 0.1:  # a caller that goes at once
            await asyncio.sleep(rng.choice((0.0, 0.001)))
            call.cancel()
        await call

    async def _proper(self) -> None:
        """Raise Fault where a proper device is not served any more."""
        request = request_to(ask(self._edge, "a proper panda")).SerializeToString()
        call: Any = self._channels[edge_pb2].unary_unary("/midstep.v1.Edge/Obtain", None, None)
        try:
            await call(request, timeout=20)
        except grpc.aio.AioRpcError as error:
            raise Fault(f"a proper device is refused: {error.details()}") from error

    def _note(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self._unread.append(f"in the event loop: {context}")


def _message(kind: Descriptor, rng: Random) -> Message:
    """A message with odd values in some of its fields."""
    message: Message = GetMessageClass(kind)()
    for _ in range(rng.randrange(4)):
        _set_odd(message, rng)
    return message


def _set_odd(message: Message, rng: Random) -> None:
    """Set one field of a message to something odd."""
    fields = message.DESCRIPTOR.fields
    if not fields:
        return
    field = rng.choice(list(fields))
    if field.message_type is not None:
        part = getattr(message, field.name)
        if field.is_repeated:
            for _ in range(rng.choice((1, 2, 300))):
                part.add().MergeFrom(_message(field.message_type, rng))
        else:
            part.MergeFrom(_message(field.message_type, rng))
        return
    if field.is_repeated:
        getattr(message, field.name).append(next(_values(field, rng)))
        return
    for value in _values(field, rng):
        try:
            setattr(message, field.name, value)
            return
        except (ValueError, TypeError):
            continue  # out of this type's range


def _values(field: FieldDescriptor, rng: Random) -> Iterator[Any]:
    """Values for a field, until one fits."""
    while True:
        if field.type == field.TYPE_STRING:
            yield nasty_text(rng) * rng.choice((1, 1, 1, 100))
        elif field.type == field.TYPE_BYTES:
            yield rng.randbytes(rng.choice((0, 8, 5000)))
        elif field.type in (field.TYPE_DOUBLE, field.TYPE_FLOAT):
            yield rng.choice(FLOATS)
        elif field.type == field.TYPE_BOOL:
            yield rng.random() < 0.5
        else:
            yield rng.choice(NUMBERS)
