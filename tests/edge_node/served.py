"""A paced edge behind a real gRPC port on loopback, in this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from edge_node.edge import Edge
from edge_node.service import serve, stop
from midstep.clock import WallClock
from midstep.wire.security import Credentials
from tests.edge_node.world import make_edge


@asynccontextmanager
async def served(
    scale: float = 20.0, credentials: Credentials | None = None, **options: Any
) -> AsyncIterator[tuple[Edge, str]]:
    """The edge and its address; `options` are the engine's."""
    edge = make_edge(WallClock(scale), **options)
    engine = asyncio.create_task(edge.engine.run())
    server, port = await serve(edge, "127.0.0.1:0", credentials)
    try:
        yield edge, f"127.0.0.1:{port}"
    finally:
        await stop(server, 0)
        engine.cancel()
