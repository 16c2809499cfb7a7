"""Callers that an edge must survive and refuse: bytes that are no request, sizes beyond bounds, and
silence. Who may ask at all: test_credentials.py.

The edges here are processes of their own, so that memory and stderr are theirs alone.
"""

from __future__ import annotations

import asyncio
import dataclasses
import random
import re
import socket
import ssl
import struct
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import grpc.aio
import psutil
import pytest

from edge_node import service
from midstep.errors import PromptError
from midstep.v1 import edge_pb2 as pb
from midstep.wire.certificates import ephemeral, load_credentials
from midstep.wire.grpc_channels import bearer, open_channel
from midstep.wire.messages import Request
from midstep.wire.security import NAME, Credentials
from midstep.wire.tuning import REQUEST_LIMIT
from orchestrator.doctor.certs import certs
from tests import paced
from tests.edge_node.served import served
from user_agent.client import GrpcEdge

PACED = ["--set", "modes.denoiser=paced", "--set", f"model.profile={paced.profile_file()}"]


GROWTH = 100 << 20  # bytes; the attacks announce twenty times as much


TWO_GB = (1 << 31) - 1


OBTAIN = "/midstep.v1.Edge/Obtain"


PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


@dataclass
class Served:
    """An edge's process, how to reach it, and what it has said on stderr."""

    process: subprocess.Popen[str]
    address: str
    credentials: Credentials | None
    stderr: Path

    @property
    def rss(self) -> int:
        """Bytes that it has in memory."""
        return psutil.Process(self.process.pid).memory_info().rss

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection below gRPC; over TLS where the edge speaks it."""
        host, _, port = self.address.partition(":")
        if self.credentials is None or self.credentials.ca is None:
            return await asyncio.open_connection(host, int(port))
        context = ssl.create_default_context(cadata=self.credentials.ca.decode())
        context.set_alpn_protocols(["h2"])
        return await asyncio.open_connection(host, int(port), ssl=context, server_hostname=NAME)

    async def check(self) -> None:
        """Raise unless it serves a proper device."""
        client = GrpcEdge(self.address, self.credentials)
        about = await client.describe(10)
        answer = await client.obtain(
            Request(
                request_id="r",
                prompt="a panda",
                pipeline=about.pipeline.digest(),
                limit=about.split_step,
            ),
            20,
        )
        assert answer.frame.step == about.split_step
        await client.close()


@pytest.fixture(scope="module", params=["plain", "tls"])
def edge(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp(request.param)
    options = PACED
    credentials = None
    if request.param == "tls":
        certs(folder / "edge", 2)
        options = [*PACED, "--credentials", str(folder / "edge")]
        credentials = load_credentials(folder / "edge/device")
    with (folder / "stderr").open("w") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "edge_node", "--listen", "127.0.0.1:0", *options],
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        address = re.search(r"on (127\.0\.0\.1:\d+)", line)
        assert address is not None, line
        yield Served(process, address[1], credentials, folder / "stderr")
        process.terminate()
        assert process.wait(20) == 0
    finally:
        process.kill()


async def spoken(edge: Served, content: bytes, below_tls: bool = False) -> bytes:
    """What comes back for raw bytes, until the edge closes or is silent for a second."""
    if below_tls:
        host, _, port = edge.address.partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
    else:
        reader, writer = await edge.connect()
    answer = b""
    try:
        writer.write(content)
        await writer.drain()
        while more := await asyncio.wait_for(reader.read(1 << 16), 1.0):
            answer += more
    except (OSError, TimeoutError):
        pass  # it hung up, or has nothing to say
    writer.close()
    return answer


def frame(
    kind: int, flags: int, stream: int, content: bytes, announced: int | None = None
) -> bytes:
    """An HTTP/2 frame; `announced` is what it says its length is."""
    length = len(content) if announced is None else announced
    return (
        struct.pack(">I", length)[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + content
    )


def call(credentials: Credentials | None, stream: int = 1) -> bytes:
    """The HTTP/2 headers of a proper call of Obtain, token included."""
    headers = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", OBTAIN),
        (":authority", NAME),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
        *(bearer(credentials) or ()),
    ]
    block = b"".join(
        b"\0" + bytes([len(k)]) + k.encode() + bytes([len(v)]) + v.encode() for k, v in headers
    )
    return frame(1, 4, stream, block)


async def random_bytes(edge: Served) -> None:
    for seed in range(5):
        noise = random.Random(seed).randbytes(20_000)
        await spoken(edge, noise, below_tls=True)
        await spoken(edge, noise)
        await spoken(edge, PREFACE + noise)
        await spoken(
            edge,
            PREFACE + frame(4, 0, 0, b"") + call(edge.credentials) + frame(0, 1, 1, noise[:5000]),
        )


async def another_protocol(edge: Served) -> None:
    await spoken(edge, b"GET / HTTP/1.1\r\nHost: edge\r\n\r\n", below_tls=True)
    # the begin of a TLS hello
    await spoken(edge, b"\x16\x03\x01\x02\x00\x01" + b"\0" * 100, below_tls=True)


async def a_message_of_2_gb_announced(edge: Served) -> None:
    start = PREFACE + frame(4, 0, 0, b"") + call(edge.credentials)
    answer = await spoken(
        edge, start + frame(0, 0, 1, b"\0" + struct.pack(">I", TWO_GB) + b"x" * 10_000)
    )
    assert f"larger than max ({TWO_GB} vs. {REQUEST_LIMIT})".encode() in answer
    many = b"".join(
        call(edge.credentials, n) + frame(0, 0, n, b"\0" + struct.pack(">I", TWO_GB) + b"x" * 500)
        for n in range(1, 200, 2)
    )
    await spoken(edge, PREFACE + frame(4, 0, 0, b"") + many)


async def an_http2_frame_of_16_mb_announced(edge: Served) -> None:
    start = PREFACE + frame(4, 0, 0, b"") + call(edge.credentials)
    await spoken(edge, start + frame(0, 0, 1, b"x" * 1000, announced=(1 << 24) - 1))
    await spoken(edge, PREFACE + frame(4, 0, 0, b"", announced=(1 << 24) - 1))


async def headers_of_1_mb(edge: Served) -> None:
    async with open_channel(edge.address, edge.credentials) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await channel.unary_unary(OBTAIN)(
                b"", metadata=(("x", "y" * (1 << 20)), *(bearer(edge.credentials) or ()))
            )
        assert error.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED


async def messages_that_are_none(edge: Served) -> None:
    async with open_channel(edge.address, edge.credentials) as channel:
        for content, code in (
            (b"\xff" * 1000, grpc.StatusCode.INVALID_ARGUMENT),
            (b"\0" * 10, grpc.StatusCode.INVALID_ARGUMENT),
            (b"", grpc.StatusCode.INVALID_ARGUMENT),  # an empty prompt
        ):
            with pytest.raises(grpc.aio.AioRpcError) as error:
                await channel.unary_unary(OBTAIN)(
                    content, metadata=bearer(edge.credentials), timeout=10
                )
            assert error.value.code() == code
            assert "\n" not in (error.value.details() or "")


async def giant_prompts(edge: Served) -> None:
    client = GrpcEdge(edge.address, edge.credentials)
    about = await client.describe()
    giant = Request(
        request_id="r",
        prompt="panda " * 500_000,
        pipeline=about.pipeline.digest(),
        limit=about.split_step,
    )
    for request in (
        giant,
        dataclasses.replace(giant, request_id="r" * 3_000_000, prompt="a panda"),
    ):
        with pytest.raises(PromptError, match=r"3000000 characters, the limit is") as error:
            await client.obtain(request, 20)
        assert "\n" not in str(error.value)
    await client.close()
    async with open_without_limit(edge) as channel:
        message = pb.OutputRequest(prompt="x" * (64 << 20)).SerializeToString()
        with pytest.raises(grpc.aio.AioRpcError, match="larger than max") as refused:
            await channel.unary_unary(OBTAIN)(
                message, metadata=bearer(edge.credentials), timeout=20
            )
        assert refused.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED


def open_without_limit(edge: Served) -> grpc.aio.Channel:
    """A channel of a client that does not keep to our limit."""
    options = [("grpc.max_send_message_length", -1), ("grpc.ssl_target_name_override", NAME)]
    if edge.credentials is None:
        return grpc.aio.insecure_channel(edge.address, options=options)
    return grpc.aio.secure_channel(
        edge.address, grpc.ssl_channel_credentials(edge.credentials.ca), options=options
    )


async def half_open_connections(edge: Served) -> None:
    """A hundred that say nothing, or stop in mid-word, while a proper device is served."""
    host, _, port = edge.address.partition(":")
    begun = [b"", PREFACE[:10], PREFACE, b"\x16\x03\x01\x02\x00\x01\x00"]
    writers = []
    for n in range(100):
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(begun[n % 4])
        await writer.drain()
        writers.append(writer)
    await edge.check()
    for writer in writers:
        writer.transport.abort()


ATTACKS: list[Callable[[Served], Awaitable[None]]] = [
    random_bytes,
    another_protocol,
    a_message_of_2_gb_announced,
    an_http2_frame_of_16_mb_announced,
    headers_of_1_mb,
    messages_that_are_none,
    giant_prompts,
    half_open_connections,
]


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
async def test_the_edge_refuses_keeps_its_memory_and_goes_on(
    edge: Served, attack: Callable[[Served], Awaitable[None]]
) -> None:
    await edge.check()
    before = edge.rss
    await attack(edge)
    await edge.check()
    assert edge.rss - before < GROWTH
    assert edge.process.poll() is None
    assert "Traceback" not in edge.stderr.read_text()


async def test_a_call_without_a_token_is_refused_before_its_message_is_there() -> None:
    async with served(credentials=ephemeral(tls=False)) as (_, address):
        host, _, port = address.partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(PREFACE + frame(4, 0, 0, b"") + call(None))
        answer = b""
        while b"a token is asked for" not in answer:
            more = await asyncio.wait_for(reader.read(4096), 20)
            assert more, answer
            answer += more
        writer.close()


async def test_a_caller_that_says_nothing_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """Our bound, made short; gRPC's own would be two minutes."""
    bound = "grpc.server_handshake_timeout_ms"
    options = [(name, 300 if name == bound else value) for name, value in service.SERVER_OPTIONS]
    assert (bound, 300) in options
    monkeypatch.setattr(service, "SERVER_OPTIONS", options)
    async with served(credentials=ephemeral(tls=True)) as (_, address):
        host, _, port = address.partition(":")
        with socket.create_connection((host, int(port))) as silent:
            silent.setblocking(False)
            ended = await asyncio.wait_for(asyncio.get_running_loop().sock_recv(silent, 100), 30)
            assert ended == b""
