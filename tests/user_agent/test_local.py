"""A request of which the edge computes nothing: the device makes the whole picture."""

from __future__ import annotations

import asyncio
import dataclasses
import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from midstep.clock import VirtualClock, run_virtual
from midstep.diffusion.engine import Engine
from midstep.radio.fading import specs
from midstep.reuse.limits import ReuseLimits
from midstep.scenario import Scenario
from midstep.telemetry.writers import UserMetrics
from midstep.wire.messages import Answer, Description, Request
from midstep.workload.arrivals import Arrival
from midstep.workload.requests import UserRequest
from orchestrator.records.steps import fault
from tests.midstep.diffusion.cuts import KINDS, PROMPT, STEPS, Cut, finish, opened
from tests.midstep.diffusion.test_cut import SEED, first_part, stock
from tests.user_agent.edges import FakeEdge, answer, open_device
from tests.user_agent.test_device import LION, one_request
from user_agent.device import Device
from user_agent.finished import Finished
from user_agent.samples import Samples


def local(request: Request, **changes: Any) -> Answer:
    """The answer of an edge that hands out the seed alone."""
    proper = answer(request)
    whole = {"frame": None, "reuse": "local", "edge_steps": 0, "plan_wait_s": 0.25, "edge_s": 0.0}
    return dataclasses.replace(proper, **{**whole, "queue_s": 0.0, **changes})


def edge_that(**changes: Any) -> FakeEdge:
    async def reply(request: Request) -> Answer:
        await asyncio.sleep(0.25)
        return local(request, **changes)

    return FakeEdge(reply)


def test_a_local_row_is_cut_at_0_and_all_its_steps_are_the_devices(scenario: Scenario) -> None:
    finished = one_request(scenario, edge_that())
    row = finished.row
    assert (row.result, row.error, row.reuse) == ("done", None, "local")
    assert (row.edge_steps, row.saved_steps, row.device_steps, row.cut_step) == (0, 0, 10, 0)
    assert fault(row.dict(), 10) is None
    assert finished.picture is not None and finished.frame is None
    assert (row.transfer_s, row.frame_bytes, row.link_rate_bps) == (0.0, 0, None)
    assert (row.queue_s, row.edge_s, row.similarity) == (0.0, 0.0, 0.0)
    assert row.plan_wait_s == row.overhead_s == pytest.approx(0.25)
    assert row.total_s == pytest.approx(0.25 + (row.device_s or 0.0))
    assert row.prompt_key and row.seed is not None
    assert row.joules == pytest.approx(scenario.devices[0].watts * (row.device_s or 0.0))
    # the throttle counts all ten steps, and the decoding, at f_n(t)
    assert 10.5 * 0.01 / 0.075 <= (row.device_s or 0.0) <= 10.5 * 0.01 / 0.075 / 0.7 + 1e-9


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"seed": 1}, "the edge gives seed 1"),
        ({"reuse": "computed"}, "the edge answers computed with no frame"),
    ],
)
def test_an_answer_that_would_make_another_picture_is_refused(
    scenario: Scenario, changes: dict[str, Any], text: str
) -> None:
    finished = one_request(scenario, edge_that(**changes))
    assert finished.row.result == "failed" and text in (finished.row.error or "")


def test_a_frame_beside_local_is_refused(scenario: Scenario) -> None:
    async def reply(request: Request) -> Answer:
        return dataclasses.replace(answer(request), reuse="local")

    row = one_request(scenario, FakeEdge(reply)).row
    assert row.error == "the edge answers local with a frame"


def real_device(scenario: Scenario, kind: tuple[str, str, str], request: UserRequest) -> Any:
    """The picture of a device with that tiny model, where the edge hands out the seed `SEED`."""
    denoiser = opened(*kind)

    class Edge(FakeEdge):
        async def describe(self) -> Description:
            about = await super().describe()
            return dataclasses.replace(about, pipeline=denoiser.identity)

    async def world() -> Finished:
        edge = Edge(reply)
        engine = Engine(denoiser, VirtualClock(), queue_limit=9, max_batch=9)
        device = Device(
            specs(scenario)[0],
            scenario,
            edge,
            engine,
            ReuseLimits(STEPS, {}, 6),
            await edge.describe(),
            UserMetrics("edge-0", "lru"),
        )
        ticking = asyncio.create_task(engine.run())
        try:
            return await device.request("r-1", request)
        finally:
            ticking.cancel()

    async def reply(request: Request) -> Answer:
        return local(request)

    finished = run_virtual(world())
    assert finished.row.error is None and finished.picture is not None
    return np.asarray(Image.open(io.BytesIO(finished.picture)))


@pytest.mark.parametrize("kind", KINDS, ids="-".join)
def test_a_local_picture_is_the_stock_pipelines_bit_for_bit(
    scenario: Scenario, kind: tuple[str, str, str]
) -> None:
    """With the user's own prompt from the first step on, whatever the core is."""
    request = UserRequest(PROMPT, "a pig", private_seed=SEED)
    assert np.array_equal(real_device(scenario, kind, request), stock(*kind[:2]))


@pytest.mark.parametrize("kind", [KINDS[0], KINDS[-1]], ids="-".join)
def test_a_variation_turns_the_latent_after_the_first_step(
    scenario: Scenario, kind: tuple[str, str, str]
) -> None:
    request = UserRequest(PROMPT, "a pig", variation_seed=5, private_seed=SEED)
    cut = Cut(*kind, 1, PROMPT, 5)
    varied = finish(opened(*kind), first_part(cut), cut)
    assert np.array_equal(real_device(scenario, kind, request), varied)
    assert not np.array_equal(varied, stock(*kind[:2]))


def test_local_pictures_are_sampled_and_compared(scenario: Scenario) -> None:
    samples = Samples(2)
    finished = one_request(scenario, edge_that())
    samples.add(finished)
    samples.add(one_request(scenario, FakeEdge()))
    assert {one.row.reuse for one in samples.chosen()} == {"local", "computed"}


def test_what_goes_on_beside_it_does_not_hold_up_a_parallel_device(scenario: Scenario) -> None:
    """(5) and (8): amount over the rate of the slot in which each request was due."""
    (group,) = scenario.devices
    parallel = scenario.model_copy(
        update={"devices": (group.model_copy(update={"parallel": True}),)}
    )

    async def world() -> tuple[list[Finished], Device]:
        device = await open_device(parallel, FakeEdge())
        # so late in the slot that transfer and computing run over its end
        await asyncio.sleep(0.9)
        arrival = Arrival(0.9)
        asked = [device.request(f"r-{n}", LION, arrival) for n in range(3)]
        finished = list(await asyncio.gather(*asked))
        assert device._throttle.backlog_s == 0.0 and device._clock.now() > 1.0
        return finished, device

    finished, device = run_virtual(world())
    rate_bps = device._link._work._rate(0)
    speed = device._throttle._work._rate(0)
    for each in finished:
        row = each.row
        assert row.result == "done" and row.transfer_wait_s == row.device_wait_s == 0.0
        assert row.transfer_s == pytest.approx(8 * 500_000 / rate_bps, abs=1e-9)
        assert row.device_s == pytest.approx(4.5 * 0.01 / speed, abs=1e-9)


def test_a_parallel_device_that_never_gets_there_says_where_to_look(scenario: Scenario) -> None:
    (group,) = scenario.devices
    slow = scenario.model_copy(
        update={
            "devices": (group.model_copy(update={"parallel": True}),),
            "channel": scenario.channel.model_copy(update={"frame_bytes": 10**18}),
        }
    )
    row = one_request(slow, FakeEdge()).row
    assert row.result == "failed" and "look at channel" in (row.error or "")
