"""The life of a request on the device, against an edge that misbehaves, in virtual time."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable

import pytest

from midstep.clock import run_virtual
from midstep.errors import EdgeUnreachable, FrameError, PipelineMismatch, PromptError, QueueFull
from midstep.scenario import Scenario
from midstep.telemetry.record import RequestRow
from midstep.wire.frame import Frame
from midstep.wire.messages import Answer, Description, Request
from midstep.wire.start import Start
from midstep.workload.requests import UserRequest
from tests.user_agent.edges import FakeEdge, answer, open_device
from user_agent.device import Device
from user_agent.finished import Finished

LION = UserRequest("a lion at the bottom, on a pink background", "a lion on a pink background")


def one_request(scenario: Scenario, edge: FakeEdge, request: UserRequest = LION) -> Finished:
    async def world() -> Finished:
        device = await open_device(scenario, edge)
        finished = await device.request("r-1", request)
        assert device.attachment.state == "thinking"
        return finished

    return run_virtual(world())


def test_a_finished_request_has_every_stage_and_they_add_up(scenario: Scenario) -> None:
    finished = one_request(scenario, FakeEdge())
    row = finished.row
    assert (row.result, row.error, row.reuse) == ("done", None, "computed")
    assert (row.edge_steps, row.saved_steps, row.device_steps) == (6, 0, 4)
    assert finished.picture is not None and finished.frame is not None
    assert finished.frame.prompt_key == row.prompt_key
    stages = [row.queue_s, row.edge_s, row.transfer_s, row.device_s, row.overhead_s]
    assert sum(stage or 0.0 for stage in stages) == pytest.approx(row.total_s)
    assert row.transfer_late_s == row.device_late_s == pytest.approx(0, abs=1e-9)


def raising(error: Exception) -> FakeEdge:
    async def reply(request: Request) -> Answer:
        raise error

    return FakeEdge(reply)


@pytest.mark.parametrize(
    ("error", "result", "text"),
    [
        (PromptError("the prompt is empty"), "rejected", "the prompt is empty"),
        (QueueFull("the queue is full"), "rejected", "the queue is full"),
        (PipelineMismatch("another pipeline"), "failed", "another pipeline"),
        (FrameError("damaged"), "failed", "damaged"),
        (EdgeUnreachable("nobody answers"), "failed", "nobody answers"),
        (KeyError("a slip"), "failed", "KeyError: 'a slip'"),
    ],
)
def test_what_the_edge_refuses_is_in_the_row(
    scenario: Scenario, error: Exception, result: str, text: str
) -> None:
    finished = one_request(scenario, raising(error))
    row = finished.row
    assert (row.result, row.error) == (result, text)
    assert finished.picture is None and finished.frame is None
    assert (row.reuse, row.total_s, row.prompt_key, row.seed) == (None, None, "", None)


def test_an_edge_that_does_not_answer_costs_the_deadline_and_no_more(scenario: Scenario) -> None:
    async def never(request: Request) -> Answer:
        await asyncio.sleep(1e6)
        raise AssertionError

    row = one_request(scenario, FakeEdge(never)).row
    assert row.result == "failed" and row.error == "no output within the deadline of 60 s"
    assert row.slot == 60


def another_key(frame: Frame) -> Frame:
    return Frame.seal(frame.pipeline, "0" * 32, frame.step, frame.steps, frame.payload)


def another_pipeline(frame: Frame) -> Frame:
    return Frame.seal("0" * 32, frame.prompt_key, frame.step, frame.steps, frame.payload)


def a_step_too_far(frame: Frame) -> Frame:
    return Frame.seal(frame.pipeline, frame.prompt_key, 11, frame.steps, frame.payload)


def past_the_limit(frame: Frame) -> Frame:
    return Frame.seal(frame.pipeline, frame.prompt_key, 7, frame.steps, frame.payload)


def another_size(frame: Frame) -> Frame:
    return Frame.seal(frame.pipeline, frame.prompt_key, frame.step, frame.steps, bytes(999))


def a_flipped_bit(frame: Frame) -> Frame:
    return dataclasses.replace(frame, payload=b"\1" + frame.payload[1:])


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (another_key, "the frame is of prompt 000000000000"),
        (another_pipeline, "the frame is of pipeline 000000000000"),
        (a_step_too_far, "the frame says step 11 of 10"),
        (past_the_limit, "the frame is at step 7, the request's reuse limit is 6"),
        (another_size, "the frame has 999 bytes"),
        (a_flipped_bit, "is damaged"),
    ],
)
def test_a_frame_that_is_not_the_one_is_refused(
    scenario: Scenario, change: Callable[[Frame], Frame], text: str
) -> None:
    async def reply(request: Request) -> Answer:
        proper = answer(request)
        return dataclasses.replace(proper, frame=change(proper.frame))

    finished = one_request(scenario, FakeEdge(reply))
    assert finished.row.result == "failed" and text in (finished.row.error or "")
    assert finished.picture is None


def test_a_request_that_is_stopped_is_in_the_record(scenario: Scenario) -> None:
    async def world() -> Finished:
        device: Device = await open_device(scenario, FakeEdge())
        task = asyncio.create_task(device.request("r-1", LION))
        await asyncio.sleep(0.01)
        assert device.attachment.state == "receiving"
        task.cancel()
        return await task

    row = run_virtual(world()).row
    assert (row.result, row.error) == ("unfinished", "it was stopped before it was finished")
    assert row.reuse == "computed" and row.transfer_s is None


def test_a_device_that_never_gets_there_says_where_to_look(scenario: Scenario) -> None:
    channel = scenario.channel.model_copy(update={"frame_bytes": 10**18})
    row = one_request(scenario.model_copy(update={"channel": channel}), FakeEdge()).row
    assert row.result == "failed" and "look at channel" in (row.error or "")


def test_joules_are_of_the_work_and_not_of_the_wait(scenario: Scenario) -> None:
    async def world() -> tuple[list[Finished], float]:
        device = await open_device(scenario, FakeEdge())
        requests = [device.request(f"r-{n}", LION) for n in range(3)]
        return list(await asyncio.gather(*requests)), device.spec.watts

    finished, watts = run_virtual(world())
    rows = [each.row for each in finished]
    assert [row.result for row in rows] == ["done"] * 3
    assert rows[2].device_wait_s is not None and rows[2].device_wait_s > 0
    for row in rows:
        assert row.device_s is not None and row.device_wait_s is not None
        assert row.joules == pytest.approx(watts * (row.device_s - row.device_wait_s))
        assert row.transfer_s is not None and row.transfer_wait_s is not None
        assert row.frame_bytes is not None and row.link_rate_bps is not None
        on_air = 8 * row.frame_bytes / row.link_rate_bps
        assert on_air == pytest.approx(row.transfer_s - row.transfer_wait_s)
    assert sum(row.joules or 0 for row in rows) <= watts * max(row.total_s or 0 for row in rows)


def test_an_edge_that_keeps_finished_pictures_is_asked_for_the_whole_prompt(
    scenario: Scenario,
) -> None:
    """Nothing is left for the device to make its own picture of the core's."""
    edge = FakeEdge(split_step=10)
    varied = dataclasses.replace(LION, variation_seed=5)
    row = one_request(scenario, edge, varied).row
    assert row.result == "done" and row.device_steps == 0
    assert row.edge_prompt == edge.requests[0].prompt == LION.prompt
    assert edge.requests[0].private_seed == row.seed == 5
    own = dataclasses.replace(varied, private_seed=0)
    assert one_request(scenario, edge, own).row.seed == edge.requests[1].private_seed == 0
    shared = FakeEdge()
    assert one_request(scenario, shared, varied).row.edge_prompt == LION.edge_prompt
    assert shared.requests[0].private_seed is None


def test_a_picture_that_is_only_decoded_waits_for_nobodys_step(scenario: Scenario) -> None:
    """What is left of it is shorter than a step of the host's other devices."""

    async def use() -> Finished:
        device = await open_device(scenario, FakeEdge(split_step=10))
        device.engine_task.cancel()  # type: ignore[attr-defined]  # no tick ever ends
        return await device.request("r-1", LION)

    row = run_virtual(use()).row
    assert (row.result, row.device_steps, row.device_late_s) == ("done", 0, 0.0)


def test_a_class_with_its_own_step_time_is_as_fast_beside_any_edge(scenario: Scenario) -> None:
    class Edge(FakeEdge):
        def __init__(self, times: float) -> None:
            super().__init__()
            self.times = times

        async def describe(self) -> Description:
            about = await super().describe()
            return dataclasses.replace(
                about, step_s=self.times * about.step_s, decode_s=self.times * about.decode_s
            )

    def device_s(own: Scenario, times: float) -> float:
        row = one_request(own, Edge(times)).row
        assert row.device_s is not None
        return row.device_s

    (phones,) = scenario.devices
    group = phones.model_copy(update={"speed_ratio": None, "step_ms": 300.0})
    own = scenario.model_copy(update={"devices": (group,)})
    assert device_s(own, 1) == pytest.approx(device_s(own, 60))
    # four steps and the decoding, at f_n(t) between 0.7 and 1 of f_max
    assert 0.3 * 4.5 <= device_s(own, 1) <= 0.3 * 4.5 / 0.7
    assert device_s(scenario, 60) == pytest.approx(60 * device_s(scenario, 1), rel=0.4)


def test_a_core_stays_in_the_row_where_a_start_picture_asks_for_the_whole_prompt(
    scenario: Scenario,
) -> None:
    """A variation's limit, 6, is before the picture's first step, 7."""
    varied = dataclasses.replace(LION, variation_seed=5)
    start = Start(png=b"", strength=0.3)

    async def world(request: UserRequest) -> RequestRow:
        device = await open_device(scenario, FakeEdge())
        row = device._row("r-1", request, None)
        assert device._composer.request(row, request, start).prompt == LION.prompt
        return row

    for request in (varied, varied.in_full()):
        row = run_virtual(world(request))
        assert (row.edge_prompt, row.core_prompt) == (LION.prompt, LION.edge_prompt)
