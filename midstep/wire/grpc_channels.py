"""gRPC channels and ports with credentials: TLS for one fixed name, a token in every call's
metadata."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import grpc
import grpc.aio

from midstep.address import split_address
from midstep.errors import AddressError, CredentialsError
from midstep.wire.security import NAME, Credentials
from midstep.wire.tuning import CLIENT_OPTIONS

__all__ = ["BEARER", "TokenCheck", "add_port", "bearer", "mismatch", "open_channel"]

if TYPE_CHECKING:  # generic in the stubs only
    Handler = grpc.RpcMethodHandler[Any, Any] | None
    Context = grpc.aio.ServicerContext[Any, Any]
BEARER = "authorization"
_OPEN = "/grpc.health.v1.Health/"  # what a load balancer may ask without a token
_PROBE_S = 3.0


def open_channel(address: str, credentials: Credentials | None = None) -> grpc.aio.Channel:
    """A channel to HOST:PORT; with TLS where the credentials have a CA. Calls need
    metadata=bearer(credentials)."""
    if credentials is None or credentials.ca is None:
        return grpc.aio.insecure_channel(address, options=CLIENT_OPTIONS)
    options = [*CLIENT_OPTIONS, ("grpc.ssl_target_name_override", NAME)]
    return grpc.aio.secure_channel(
        address, grpc.ssl_channel_credentials(credentials.ca), options=options
    )


def bearer(credentials: Credentials | None) -> tuple[tuple[str, str], ...] | None:
    """The metadata by which a call shows its token."""
    return None if credentials is None else ((BEARER, f"Bearer {credentials.token}"),)


def add_port(server: grpc.aio.Server, address: str, credentials: Credentials | None = None) -> int:
    """Let a server listen at HOST:PORT (port 0: a free one), with TLS where there is a key; the
    port.

    Raises CredentialsError for credentials of a caller, AddressError where nobody can listen
    there.
    """
    split_address(address)
    if credentials is not None and credentials.ca is not None and credentials.key is None:
        raise CredentialsError(
            "these credentials are a device's: an edge needs its certificate and key, too"
        )
    try:
        if credentials is None or credentials.key is None:
            return server.add_insecure_port(address)
        pair = (credentials.key, credentials.certificate or b"")
        return server.add_secure_port(address, grpc.ssl_server_credentials([pair]))
    except RuntimeError as error:
        raise AddressError(
            f"{address} cannot be listened on: the port is in use or the host is not this "
            f"machine's; "
            f"give another (--listen, edges.N.address), or port 0 for a free one"
        ) from error


class TokenCheck(grpc.aio.ServerInterceptor):
    """Refuses calls without the token, before their message is read; health checks pass. `refused`
    is told of each."""

    def __init__(
        self, credentials: Credentials, refused: Callable[[], None] = lambda: None
    ) -> None:
        self._credentials = credentials
        self._refused = refused

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler]],
        details: grpc.HandlerCallDetails,
    ) -> Handler:
        metadata = dict(details.invocation_metadata or ())
        scheme, _, token = str(metadata.get(BEARER, "")).partition(" ")
        if details.method.startswith(_OPEN) or (
            scheme == "Bearer" and self._credentials.accept(token)
        ):
            return await continuation(details)
        self._refused()
        why = "the token is wrong" if token else "a token is asked for"

        async def refuse(_: Any, context: Context) -> None:
            await context.abort(
                grpc.StatusCode.UNAUTHENTICATED, f"{why}: give the credentials that the edge has"
            )

        # a stream's handler is called before a message is there
        return grpc.stream_unary_rpc_method_handler(refuse)


async def mismatch(address: str, credentials: Credentials | None) -> str | None:
    """Why the two ends' TLS cannot meet, in words; None where it can, or where nobody answers at
    all."""
    if credentials is None or credentials.ca is None:
        trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        # only to see whether there is TLS
        trusting.check_hostname = False
        trusting.verify_mode = ssl.CERT_NONE
        if await _handshake(address, trusting) is None:
            return (
                f"the edge at {address} speaks TLS: give the --credentials that were made with "
                f"its own"
            )
        return None
    failed = await _handshake(
        address, ssl.create_default_context(cadata=credentials.ca.decode("ascii"))
    )
    if isinstance(failed, ssl.SSLCertVerificationError):
        return (
            f"the certificate of the edge at {address} is not what our CA vouches for "
            f"({failed.verify_message}): "
            f"copy the device folder of its credentials again"
        )
    if isinstance(failed, ssl.SSLError):
        reason = failed.reason or "no reason"
        return (
            f"the edge at {address} speaks no TLS ({reason}): start it with --credentials, or "
            f"leave ours away"
        )
    return None


async def _handshake(address: str, context: ssl.SSLContext) -> BaseException | None:
    """The error of a TLS handshake; nothing where it succeeds."""
    host, _, port = address.rpartition(":")
    context.set_alpn_protocols(["h2"])
    try:
        async with asyncio.timeout(_PROBE_S):
            _, writer = await asyncio.open_connection(
                host.strip("[]"), int(port), ssl=context, server_hostname=NAME
            )
    except (OSError, ValueError) as error:  # of TLS, of the network, or a timeout
        return error
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return None
