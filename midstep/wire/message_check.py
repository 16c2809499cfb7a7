"""Calls whose bytes are no message, and callers that are gone before they are answered: both are
the caller's doing, and gRPC's own server would print a traceback for each."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any, cast

import grpc
import grpc.aio
from google.protobuf.message import DecodeError

__all__ = ["MessageCheck"]

if TYPE_CHECKING:  # generic in the stubs only
    Handler = grpc.RpcMethodHandler[Any, Any] | None
    Context = grpc.aio.ServicerContext[Any, Any]
_GONE = "ExecuteBatchError"  # gRPC's, which has no public name


class _NoMessage:
    """Stands for bytes that are no message."""


class MessageCheck(grpc.aio.ServerInterceptor):
    """Refuses what is no message of the method with INVALID_ARGUMENT, and lets callers go."""

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler]],
        details: grpc.HandlerCallDetails,
    ) -> Handler:
        handler: Any = await continuation(details)
        if handler is None or handler.request_streaming:
            return cast("Handler", handler)
        read = _reader(handler.request_deserializer)
        if handler.response_streaming:
            return grpc.unary_stream_rpc_method_handler(
                _checked_stream(handler.unary_stream), read, handler.response_serializer
            )
        return grpc.unary_unary_rpc_method_handler(
            _checked(handler.unary_unary), read, handler.response_serializer
        )


def _reader(read: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    def message(data: bytes) -> Any:
        try:
            return read(data)
        except DecodeError:
            return _NoMessage()

    return message


def _checked(behavior: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    async def answer(request: Any, context: Context) -> Any:
        try:
            await _require_message(request, context)
            return await behavior(request, context)
        except Exception as error:
            if type(error).__name__ != _GONE:
                raise
            return None

    return answer


def _checked_stream(behavior: Callable[..., Any]) -> Callable[..., AsyncIterator[Any]]:
    async def answers(request: Any, context: Context) -> AsyncIterator[Any]:
        try:
            await _require_message(request, context)
            if inspect.isasyncgenfunction(behavior):
                async for message in behavior(request, context):
                    yield message
            else:  # it writes to the context itself
                await behavior(request, context)
        except Exception as error:
            if type(error).__name__ != _GONE:
                raise

    return answers


async def _require_message(request: Any, context: Context) -> None:
    """End the call where its bytes are no message."""
    if isinstance(request, _NoMessage):
        await context.abort(
            grpc.StatusCode.INVALID_ARGUMENT, "the bytes are no message of this method"
        )
