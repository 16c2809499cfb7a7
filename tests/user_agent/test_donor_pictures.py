"""Another prompt's output over gRPC, with real tensors: the picture is what stock diffusers makes
of the three prompts, each for its steps."""

from __future__ import annotations

import asyncio
import io

import numpy as np
from PIL import Image

from midstep.scenario import Scenario
from midstep.scenario_file import parse
from midstep.wire.identity import OutputKey
from midstep.wire.messages_control import CacheUpdate, Targets
from midstep.workload.requests import UserRequest
from tests import tiny
from tests.orchestrator.cluster import stock
from tests.user_agent.over_grpc import over_grpc
from user_agent.finished import Finished

LION = "a lion on a green background"
FOX = "a fox on a green background"
OWN = "a large fox at the top, on a green background"
SETTINGS = {"steps": 10, "guidance": 3.0, "height": 32, "width": 32}


def scenario_of() -> Scenario:
    model = {"path": str(tiny.folder("sd")), "split_step": 6, "scheduler": "ddim", **SETTINGS}
    return parse(
        {
            "model": {**model, "device": "cpu"},
            "channel": {"frame_bytes": 1000},
            "edges": [{"capacity": "1MB"}],
            "reuse": {"similar": "any", "similar_params": {"step": 6}},
        }
    )


async def foxes(scenario: Scenario) -> dict[int, Finished]:
    """What a device makes of the fox where the store has the lion at step 4, and at step 6."""
    async with over_grpc(scenario) as (device, edge, _):
        key = OutputKey.of(edge.identity.digest(), LION, None, scenario.seed).digest()
        await edge.apply(CacheUpdate(targets=Targets(((key, 4),))))
        first = await device.request("r-0", UserRequest(LION, LION))
        assert first.row.error is None and first.row.reuse == "computed"
        await edge.apply(CacheUpdate(targets=Targets()))
        ended = {}
        for step in (4, 6):
            update = await edge.apply(CacheUpdate(((key, step),)))
            assert update.admitted == 1
            ended[step] = await device.request(f"r-{step}", UserRequest(OWN, FOX))
        return ended


def test_pictures_from_another_prompts_output_are_the_stock_pipelines() -> None:
    ended = asyncio.run(foxes(scenario_of()))
    made = {
        step: (one.row.error, one.row.reuse, one.row.edge_steps, one.row.cut_step)
        for step, one in ended.items()
    }
    assert made == {4: (None, "resumed", 2, 6), 6: (None, "similar", 0, 6)}
    for one in ended.values():
        row = one.row.dict()
        assert row["donor_prompt"] == LION
        assert row["likeness"].startswith("words")  # this model has no catalogue of its own
        ours = np.asarray(Image.open(io.BytesIO(one.picture or b""))).astype(int)
        assert np.abs(ours - stock.picture(str(tiny.folder("sd")), SETTINGS, row)).max() <= 1
    alone = {**ended[6].row.dict(), "donor_prompt": None}  # the donor does make a difference
    other = stock.picture(str(tiny.folder("sd")), SETTINGS, alone)
    assert np.abs(ours - other).max() > 1
