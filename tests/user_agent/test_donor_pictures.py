"""Another prompt's output over gRPC, with real tensors: the picture is what stock diffusers makes
of the three prompts, each for its steps."""

from __future__ import annotations

import asyncio
import io
from typing import Any

import numpy as np
from PIL import Image

from edge_node.node import EdgeNode
from edge_node.service import serve, stop
from midstep.clock import WallClock
from midstep.diffusion.engine import Engine
from midstep.radio.fading import specs
from midstep.reuse.limits import open_limits
from midstep.scenario import Scenario
from midstep.scenario_file import parse
from midstep.telemetry.writers import UserMetrics
from midstep.wire.identity import OutputKey
from midstep.wire.messages import CacheUpdate, Targets
from midstep.workload.requests import UserRequest
from tests import tiny
from tests.midstep.diffusion.cuts import opened
from tests.orchestrator.cluster import stock
from user_agent.client import GrpcEdge
from user_agent.device import Device, Finished

LION = "a lion on a green background"
FOX = "a fox on a green background"
OWN = "a large fox at the top, on a green background"
SETTINGS = {"steps": 10, "guidance": 3.0, "height": 32, "width": 32}


def scenario_of(**reuse: Any) -> Scenario:
    model = {"path": str(tiny.folder("sd")), "split_step": 6, "scheduler": "ddim", **SETTINGS}
    return parse(
        {
            "model": {**model, "device": "cpu"},
            "channel": {"frame_bytes": 1000},
            "edges": [{"capacity": "1MB"}],
            "reuse": {"similar": "any", "similar_params": {"step": 6}, **reuse},
        }
    )


async def asked(scenario: Scenario) -> dict[int, Finished]:
    """What a device makes of the fox where the store has the lion at step 4, and at step 6."""
    clock = WallClock(50.0)
    node = await EdgeNode.open(scenario, clock)
    server, port = await serve(node.edge, "127.0.0.1:0")
    client = GrpcEdge(f"127.0.0.1:{port}")
    engine = Engine(opened("sd", "ddim", "batched"), clock, queue_limit=9, max_batch=9)
    ticking = asyncio.create_task(engine.run())
    try:
        about = await client.describe()
        limits = open_limits(scenario, about.pipeline)
        metrics = UserMetrics("edge-0", "lru")
        spec = specs(scenario)[0]
        device = Device(spec, scenario, client, engine, limits, about, metrics)
        key = OutputKey.of(about.pipeline.digest(), LION, None, scenario.seed).digest()
        await node.edge.apply(CacheUpdate(targets=Targets(((key, 4),))))
        first = await device.request("r-0", UserRequest(LION, LION))
        assert first.row.error is None and first.row.reuse == "computed"
        await node.edge.apply(CacheUpdate(targets=Targets()))
        ended = {}
        for step in (4, 6):
            update = await node.edge.apply(CacheUpdate(((key, step),)))
            assert update.admitted == 1
            ended[step] = await device.request(f"r-{step}", UserRequest(OWN, FOX))
        return ended
    finally:
        await client.close()
        await stop(server, 0)
        ticking.cancel()
        await node.close()


def test_pictures_from_another_prompts_output_are_the_stock_pipelines() -> None:
    ended = asyncio.run(asked(scenario_of()))
    made = {
        step: (one.row.error, one.row.reuse, one.row.edge_steps, one.row.cut_step)
        for step, one in ended.items()
    }
    assert made == {4: (None, "resumed", 2, 6), 6: (None, "similar", 0, 6)}
    for one in ended.values():
        row = one.row.dict()
        assert row["donor_prompt"] == LION and row["likeness"] == "same scene"
        ours = np.asarray(Image.open(io.BytesIO(one.picture or b""))).astype(int)
        assert np.abs(ours - stock.picture(str(tiny.folder("sd")), SETTINGS, row)).max() <= 1
        alone = {**row, "donor_prompt": None}
        other = stock.picture(str(tiny.folder("sd")), SETTINGS, alone)
        assert np.abs(ours - other).max() > 1  # the donor does make a difference
