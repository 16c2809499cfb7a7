"""With `privacy: core` no full prompt leaves the device, and none of another user comes to it: read
off the wire."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from midstep.errors import ScenarioError
from midstep.scenario_file import parse
from midstep.wire.messages_control import CacheUpdate
from midstep.workload.requests import UserRequest
from orchestrator.live.setting import run_problem
from tests import paced
from tests.user_agent.over_grpc import Wire, over_grpc

LION = "a lion on a green background"
FOX = "a fox on a green background"
OWN = ("a large lion at the top, on a green background", "a small fox, on a green background")
WALL = {"clock": "wall", "denoiser": "paced", "wire": "grpc"}


async def crossed(**reuse: Any) -> tuple[Wire, str | None]:
    """What crosses as the fox is served from the lion, which the store has; and the row's donor."""
    tree = paced.tree(modes=WALL, reuse={"similar": "any", **reuse}, edges=[{"capacity": "1MB"}])
    async with over_grpc(parse(tree)) as (device, edge, wire):
        first = await device.request("r-0", UserRequest(OWN[0], LION))
        assert first.frame is not None
        update = CacheUpdate(((first.frame.prompt_key, first.frame.step),))
        assert (await edge.apply(update)).admitted == 1
        second = await device.request("r-1", UserRequest(OWN[1], FOX))
        assert (second.row.error, second.row.reuse) == (None, "similar")
        assert (second.row.prompt, second.row.likeness) == (OWN[1], "same scene")
        return wire, second.row.donor_prompt


def test_the_full_prompt_never_leaves_the_device_nor_does_anothers_come_to_it() -> None:
    wire, donor = asyncio.run(crossed(privacy="core"))
    assert donor is None
    for core in (LION, FOX):  # what is there can be read
        assert core.encode() in wire.up
    for secret in (*OWN, "large", "at the top", "small"):
        assert secret.encode() not in wire.up
    assert LION.encode() not in wire.down


def test_an_open_edge_names_the_donors_core_and_knows_no_more_than_cores() -> None:
    wire, donor = asyncio.run(crossed())
    assert donor == LION and LION.encode() in wire.down
    assert all(own.encode() not in wire.up + wire.down for own in OWN)


def test_asking_for_prompts_as_they_are_is_refused() -> None:
    tree = paced.tree(workload={"core": "whole"}, reuse={"privacy": "core"})
    with pytest.raises(ScenarioError, match=r"privacy: core: workload\.core whole asks edges for"):
        parse(tree)
    parse({**tree, "reuse": {"privacy": "open"}})


def test_a_policy_that_asks_for_whole_prompts_is_refused() -> None:
    tree = paced.tree(policy={"name": "final"}, reuse={"privacy": "core"})
    with pytest.raises(ScenarioError, match=r"privacy: core: policy final asks edges for"):
        run_problem(parse(tree))
