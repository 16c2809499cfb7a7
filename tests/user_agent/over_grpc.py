"""A device and an edge of a scenario, over gRPC on loopback through a proxy that keeps every
byte."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from edge_node.edge import Edge
from edge_node.node import EdgeNode
from edge_node.service import serve, stop
from midstep.clock import WallClock
from midstep.diffusion.engine import Engine
from midstep.diffusion.factory import open_computing
from midstep.radio.fading import specs
from midstep.reuse.limits import open_limits
from midstep.scenario import Scenario
from midstep.telemetry.writers import UserMetrics
from user_agent.client import GrpcEdge
from user_agent.device import Device

__all__ = ["Wire", "over_grpc"]


@dataclass
class Wire:
    """What has crossed: `up` from the device, `down` to it. gRPC compresses no message here, so
    that a text is in it as it is."""

    up: bytearray = field(default_factory=bytearray)
    down: bytearray = field(default_factory=bytearray)

    async def proxy(self, port: int) -> asyncio.Server:
        """A port of loopback that leads to `port`."""

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
            await asyncio.gather(
                _carry(reader, far_writer, self.up), _carry(far_reader, writer, self.down)
            )

        return await asyncio.start_server(connected, "127.0.0.1", 0)


async def _carry(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, kept: bytearray
) -> None:
    while data := await reader.read(1 << 16):
        kept += data
        writer.write(data)
        await writer.drain()
    writer.close()


@asynccontextmanager
async def over_grpc(scenario: Scenario) -> AsyncIterator[tuple[Device, Edge, Wire]]:
    """The scenario's first device and its edge, fifty times as fast as the clock."""
    clock = WallClock(50.0)
    node = await EdgeNode.open(scenario, clock)
    server, port = await serve(node.edge, "127.0.0.1:0")
    wire = Wire()
    proxy = await wire.proxy(port)
    client = GrpcEdge(f"127.0.0.1:{proxy.sockets[0].getsockname()[1]}")
    denoiser, thread = await open_computing(scenario, 1, clock)
    engine = Engine(denoiser, clock, queue_limit=9, max_batch=9, executor=thread)
    ticking = asyncio.create_task(engine.run())
    try:
        about = await client.describe()
        limits = open_limits(scenario, about.pipeline)
        metrics = UserMetrics("edge-0", "lru")
        spec = specs(scenario)[0]
        yield Device(spec, scenario, client, engine, limits, about, metrics), node.edge, wire
    finally:
        await client.close()
        await stop(server, 0)
        proxy.close()
        ticking.cancel()
        await node.close()
        if thread is not None:
            thread.shutdown()
