"""The two ends of `benchmarks.link`, a process each: an edge that answers with frames of random
bytes, and a device that asks for one frame after the other.

Both are the live run's own parts: the edge's gRPC service, the device's client and, where the
device holds frames itself, its link. Both end when their standard input does.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import cast

from edge_node.edge import Edge
from edge_node.service import serve, stop
from midstep.clock import Clock, WallClock
from midstep.radio import channel_law
from midstep.radio.fading import DeviceChannel, DeviceSpec
from midstep.scenario import Channel
from midstep.wire.frame import Frame
from midstep.wire.messages import Answer, Request
from midstep.wire.tuning import keep_pages
from user_agent.client import GrpcEdge
from user_agent.link import Link

__all__ = ["held_link", "main"]

PIPELINE = "link"
TIMEOUT_S = 120.0


class FrameEdge:
    """An edge of which only the answer's size matters: the request's prompt says how many bytes."""

    def __init__(self) -> None:
        self._answers: dict[str, Answer] = {}

    async def obtain(self, request: Request, timeout_s: float) -> Answer:
        """A frame of `int(request.prompt)` random bytes, the same for the same number."""
        if request.prompt not in self._answers:
            payload = os.urandom(int(request.prompt))
            self._answers[request.prompt] = Answer(
                frame=Frame.seal(PIPELINE, request.prompt, 6, 20, payload),
                reuse="computed",
                similarity=0.0,
                edge_steps=6,
                saved_steps=0,
                queue_s=0.0,
                edge_s=0.0,
                seed=0,
                truncated=False,
            )
        return self._answers[request.prompt]


def held_link(rate_bps: float, clock: Clock) -> Link:
    """A device's link with equation (6) at `rate_bps`: no fading, and the bandwidth that makes
    it."""
    channel = Channel(fading=False, frame_bytes=None)
    distance_m = 120.0
    per_hz = channel_law.rate_bps(channel, 1.0, channel_law.mean_gain(channel, distance_m), 0.0)
    spec = DeviceSpec(
        user=0,
        group=0,
        kind="phone",
        edge="edge-0",
        speed_ratio=1.0,
        bandwidth_hz=rate_bps / float(per_hz),
        distance_m=distance_m,
        watts=0.0,
    )
    return Link(DeviceChannel(channel, spec, 0), clock, 1.0, None)


def main(argv: list[str]) -> int:
    """`edge HOST` prints its port; `device ADDRESS` answers each line `BYTES RATE` (rate 0: it does
    not hold the frame) with a line of JSON: `total_s` from asking to having the frame, `transfer_s`
    of its link."""
    keep_pages()
    role, address = argv
    asyncio.run(_edge(address) if role == "edge" else _device(address))
    return 0


async def _edge(host: str) -> None:
    server, port = await serve(cast(Edge, FrameEdge()), f"{host}:0")
    print(port, flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await stop(server, 0.0)


async def _device(address: str) -> None:
    edge = GrpcEdge(address)
    clock = WallClock()
    while line := await asyncio.to_thread(sys.stdin.readline):
        size, rate = line.split()
        print(json.dumps(await _receive(edge, clock, size, float(rate))), flush=True)
    await edge.close()


async def _receive(
    edge: GrpcEdge, clock: WallClock, size: str, rate_bps: float
) -> dict[str, float | None]:
    """One frame as a device of a run receives it, `Device._ask` and `_receive`."""
    request = Request(request_id="frame", prompt=size, pipeline=PIPELINE, limit=6)
    asked_s = clock.now()
    answer = await edge.obtain(request, TIMEOUT_S)
    assert answer.frame is not None  # that edge has no gate
    answer.frame.verify(PIPELINE, size)
    transfer_s = None
    if rate_bps:
        transfer_s = (await held_link(rate_bps, clock).transmit(answer.frame.nbytes)).achieved_s
    return {"total_s": clock.now() - asked_s, "transfer_s": transfer_s}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
