"""The gRPC service of a live run, on loopback, with a token that only the run's owner can read."""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import grpc.aio

from midstep.errors import (
    CredentialsError,
    EdgeUnreachable,
    MidstepError,
    OptionError,
    RecordError,
)
from midstep.tree import MOST_USERS
from midstep.units import excerpt
from midstep.v1 import run_pb2 as pb
from midstep.v1 import run_pb2_grpc as rpc
from midstep.wire.certificates import ephemeral
from midstep.wire.grpc_channels import TokenCheck, add_port, bearer, open_channel
from midstep.wire.security import Credentials, write_secret
from midstep.wire.tuning import SERVER_OPTIONS
from orchestrator.live.scaling import Scaler

if TYPE_CHECKING:
    Context = grpc.aio.ServicerContext[Any, Any]  # generic in the stubs only

__all__ = ["FILE", "Control", "RunEndpoint", "RunService", "find_endpoint", "scale"]

FILE = "control.json"
SCALE_S = 600.0  # wall seconds: many hosts may have to start


@dataclass(frozen=True)
class RunEndpoint:
    """Address and token of a live run's service."""

    address: str
    token: str = field(repr=False)
    pid: int


class RunService(rpc.RunServicer):
    """The service of proto/midstep/v1/run.proto."""

    def __init__(self, scaler: Scaler) -> None:
        self._scaler = scaler

    async def Scale(self, request: pb.ScaleRequest, context: Context) -> pb.ScaleReply:
        try:
            edge = request.edge if request.HasField("edge") else None
            # shielded: a caller that disconnects must not leave hosts half started
            users = await asyncio.shield(
                asyncio.ensure_future(self._scaler.scale(request.users, edge))
            )
        except MidstepError as error:
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(error))
            raise AssertionError("abort raises") from error
        return pb.ScaleReply(users=users)


class Control:
    """Serves while the run lives, and says where in control.json; an async context manager."""

    def __init__(self, folder: Path, scaler: Scaler) -> None:
        self._path = folder / FILE
        self._scaler = scaler

    async def __aenter__(self) -> Control:
        credentials = ephemeral(tls=False)
        self._server = grpc.aio.server(
            interceptors=[TokenCheck(credentials)], options=SERVER_OPTIONS
        )
        rpc.add_RunServicer_to_server(RunService(self._scaler), self._server)
        port = add_port(self._server, "127.0.0.1:0", credentials)
        await self._server.start()
        self._path.unlink(missing_ok=True)
        endpoint = {"address": f"127.0.0.1:{port}", "token": credentials.token, "pid": os.getpid()}
        write_secret(self._path, (json.dumps(endpoint) + "\n").encode())
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._path.unlink(missing_ok=True)
        await asyncio.shield(self._server.stop(1.0))


def find_endpoint(folder: Path) -> RunEndpoint:
    """The endpoint of the run in `folder`. Raises RecordError where none lives there."""
    path = folder / FILE
    try:
        if not (folder / "scenario.yaml").is_file():
            raise RecordError(f"{folder}: no run is in there (no scenario.yaml)")
        endpoint = RunEndpoint(**json.loads(path.read_text()))
    except FileNotFoundError as error:
        ended = (folder / "summary.json").is_file()
        what = (
            "has ended"
            if ended
            else "has not begun yet, or its time is virtual (scale it by its timeline)"
        )
        raise RecordError(f"{folder}: this run {what}: only a live one can be scaled") from error
    except (OSError, ValueError, TypeError) as error:
        raise RecordError(
            f"{path} cannot be read: {error}; it belongs to whoever started the run"
        ) from error
    return endpoint


def scale(folder: Path, users: int, edge: str | None) -> int:
    """`midstep scale`: how many users the run has then. Raises MidstepError, one line."""
    endpoint = find_endpoint(folder)
    return asyncio.run(_scale(endpoint, folder, users, edge))


async def _scale(endpoint: RunEndpoint, folder: Path, users: int, edge: str | None) -> int:
    if not 0 <= users <= MOST_USERS:
        raise OptionError(f"--users {excerpt(users)}: give 0 to {MOST_USERS}")
    credentials = Credentials(endpoint.token)
    async with open_channel(endpoint.address, credentials) as channel:
        try:
            call = rpc.RunStub(channel).Scale(
                pb.ScaleRequest(users=users, edge=edge),
                timeout=SCALE_S,
                metadata=bearer(credentials),
            )
            return int((await call).users)
        except grpc.aio.AioRpcError as error:
            if error.code() == grpc.StatusCode.FAILED_PRECONDITION:
                raise OptionError(str(error.details())) from error
            if error.code() == grpc.StatusCode.UNAUTHENTICATED:
                raise CredentialsError(
                    f"{folder / FILE} has another run's token: that run has ended"
                ) from error
            raise EdgeUnreachable(
                f"the run in {folder} (pid {endpoint.pid}) does not answer "
                f"({error.code().name}): it may have just ended"
            ) from error
