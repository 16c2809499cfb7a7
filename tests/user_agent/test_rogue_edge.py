"""A device that an edge wants to fill with bytes."""

from __future__ import annotations

import asyncio
import struct

import psutil
import pytest

from midstep.errors import FrameError
from midstep.wire.messages import Request
from midstep.wire.tuning import REPLY_LIMIT
from user_agent.client import GrpcEdge

TWO_GB = (1 << 31) - 1


def frame(kind: int, flags: int, stream: int, content: bytes) -> bytes:
    """An HTTP/2 frame."""
    return (
        struct.pack(">I", len(content))[1:]
        + bytes([kind, flags])
        + struct.pack(">I", stream)
        + content
    )


async def rogue(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers each call with a message of 2 GB, as far as its length says, and goes on sending."""
    writer.write(frame(4, 0, 0, b""))
    await reader.readexactly(24)  # the client's preface
    try:
        while True:
            head = await reader.readexactly(9)
            await reader.readexactly(int.from_bytes(head[:3], "big"))
            if head[3] != 1:  # no headers: no new call
                continue
            stream = int.from_bytes(head[5:9], "big")
            writer.write(frame(1, 4, stream, b"\x88\0\x0ccontent-type\x10application/grpc"))
            writer.write(frame(0, 0, stream, b"\0" + struct.pack(">I", TWO_GB) + b"x" * 10_000))
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def test_a_frame_of_2_gb_is_refused_on_the_length_that_it_announces() -> None:
    server = await asyncio.start_server(rogue, "127.0.0.1", 0)
    client = GrpcEdge(f"127.0.0.1:{server.sockets[0].getsockname()[1]}")
    before = psutil.Process().memory_info().rss
    with pytest.raises(
        FrameError, match=rf"larger than max \({TWO_GB} vs\. {REPLY_LIMIT}\)"
    ) as error:
        await client.obtain(Request(request_id="r", prompt="a panda", pipeline="p", limit=6), 20)
    assert "\n" not in str(error.value)
    assert psutil.Process().memory_info().rss - before < 100 << 20
    await client.close()
    server.close()
