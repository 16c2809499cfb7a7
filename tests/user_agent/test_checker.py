"""Checks in idle time: on the virtual clock, with an engine whose steps take time."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import TypeVar

import numpy as np
import pytest

from midstep.clock import VirtualClock, run_virtual
from midstep.diffusion.engine import Engine
from midstep.errors import EdgeUnreachable
from midstep.reuse.limits import CORE, SIZE, VARIATION
from midstep.reuse.meter import Measured, Meter
from midstep.telemetry.record import RequestRow
from midstep.telemetry.writers import UserMetrics
from midstep.wire.messages import Quality, QualitySample, Request
from tests import paced
from tests.user_agent.edges import FakeEdge, answer
from user_agent.answers import picture_check
from user_agent.checker import PENDING, Checker
from user_agent.finished import Finished, PictureCheck
from user_agent.pictures import WholePicture, png

T = TypeVar("T")
STEP_S = paced.PROFILE.step(1)
PSNR = Quality(metric="psnr", floor=30.0, share=0.95)
FIDELITY = Quality(metric="fidelity", floor=1.0, share=0.95)


class OneProcessor(Engine):
    """Its steps take the profile's time, and what is computed beside them takes a step's time of
    the same processor, as in a thread."""

    processor: asyncio.Lock

    async def compute(self, call: Callable[[], T]) -> T:
        async with self.processor:
            await asyncio.sleep(STEP_S)
            return call()

    async def _tick(self) -> None:
        async with self.processor:
            await super()._tick()


def engine() -> OneProcessor:
    one = OneProcessor(
        paced.denoiser(), VirtualClock(), queue_limit=99, max_batch=8, profile=paced.PROFILE
    )
    one.processor = asyncio.Lock()
    return one


class Judge(Meter):
    """Finds what a test says."""

    def __init__(self, found: Measured) -> None:
        super().__init__(None)
        self.found = found
        self.pictures = 0

    def measures(self, metric: str, core: str, prompt: str) -> bool:
        return True

    def measure(
        self, core: str, prompt: str, picture: np.ndarray, reference: np.ndarray | None
    ) -> Measured:
        self.pictures += 1 if reference is None else 2
        return self.found


class Listener(FakeEdge):
    """An edge that hears of quality."""

    def __init__(self, failure: Exception | None = None) -> None:
        super().__init__()
        self.samples: list[QualitySample] = []
        self.failure = failure

    async def report(self, sample: QualitySample) -> None:
        if self.failure is not None:
            raise self.failure
        self.samples.append(sample)


def finished(
    number: int = 0,
    kind: str = SIZE,
    quality: Quality = PSNR,
    variation: int | None = None,
    asked: bool = True,
) -> Finished:
    row = RequestRow(
        request_id=f"{number:05d}",
        edge="edge-0",
        user=0,
        device_class="phone",
        process_id=1,
        prompt="a small fox on grass",
        edge_prompt="a fox on grass",
        seed=3,
        variation_seed=variation,
        result="done",
    )
    check = PictureCheck(kind, 6, quality) if asked else None
    return Finished(row, png(np.zeros((8, 8, 3), np.uint8)), None, check)


async def settled(checker: Checker) -> None:
    task = checker._task
    if task is not None:
        await task


def run_checks(
    chosen: list[Finished], meter: Meter, edge: Listener | None = None
) -> tuple[Checker, Listener]:
    """Check these pictures on an idle host."""
    edge = edge or Listener()

    async def world() -> Checker:
        one = engine()
        running = asyncio.create_task(one.run())
        checker = Checker(one, edge, meter, lambda: math.inf, STEP_S, UserMetrics("e", "lru"))
        for each in chosen:
            checker.add(each)
        await settled(checker)
        await checker.close()
        running.cancel()
        return checker

    return run_virtual(world()), edge


def traffic(checks: int, look_ahead: bool) -> tuple[list[float], int]:
    """When jobs end whose frames are on the air for 25 to 60 ms before, a hundred in some seconds;
    and how many pictures were checked meanwhile."""
    rng = Random(5)
    edge = Listener()

    async def world() -> tuple[list[float], int]:
        one = engine()
        clock = one.clock
        running = asyncio.create_task(one.run())
        await asyncio.sleep(0)
        due: list[float] = []
        ends: list[float] = []

        async def request(at_s: float, air_s: float) -> None:
            await asyncio.sleep(at_s)
            arrival_s = clock.now() + air_s
            due.append(arrival_s)
            await clock.sleep_until(arrival_s)
            due.remove(arrival_s)
            await one.submit(WholePicture(denoiser=one.denoiser, prompt="a fox", seed=1))
            ends.append(clock.now())

        def arrival_s() -> float:
            return min(due, default=math.inf) if look_ahead else math.inf

        meter = Judge(Measured(psnr_db=40.0))
        checker = Checker(one, edge, meter, arrival_s, STEP_S, UserMetrics("e", "lru"))
        for number in range(checks):
            checker.add(finished(number))
        plans = [(rng.uniform(0, 20), rng.uniform(0.025, 0.060)) for _ in range(100)]
        await asyncio.gather(*(request(*plan) for plan in plans))
        count = len(edge.samples)
        await checker.close()
        running.cancel()
        return ends, count

    return run_virtual(world())


def test_a_check_delays_no_request() -> None:
    """To the last bit: as if nothing had been checked. Without looking at what is on the air some
    requests would have waited for a step of a check."""
    alone, _ = traffic(checks=0, look_ahead=True)
    beside, checked = traffic(checks=PENDING, look_ahead=True)
    assert beside == alone
    assert checked > 10
    careless, _ = traffic(checks=PENDING, look_ahead=False)
    assert max(b - a for a, b in zip(alone, careless, strict=True)) > 0.001


def test_it_reports_what_it_found_and_fills_the_row() -> None:
    found = Measured(psnr_db=22.5, ssim=0.8, fidelity=1.0, reference_fidelity=1.0)
    checker, edge = run_checks([finished()], Judge(found))
    (sample,) = edge.samples
    assert sample == QualitySample(request_id="00000", kind=SIZE, step=6, quality=PSNR, good=False)
    (row,) = checker.rows
    assert (row.psnr_db, row.ssim, row.fidelity) == (22.5, 0.8, 1.0)
    assert row.result == "done" and row.request_id == "00000"


@pytest.mark.parametrize(
    ("fidelity", "reference", "verdicts"), [(1.0, 1.0, [True]), (0.0, 1.0, [False]), (0.0, 0.0, [])]
)
def test_what_the_model_cannot_draw_is_no_fault_of_reuse(
    fidelity: float, reference: float, verdicts: list[bool]
) -> None:
    found = Measured(psnr_db=22.5, fidelity=fidelity, reference_fidelity=reference)
    checker, edge = run_checks([finished(quality=FIDELITY)], Judge(found))
    assert [sample.good for sample in edge.samples] == verdicts
    assert len(checker.rows) == 1


def test_a_variation_is_judged_alone_by_what_it_shows() -> None:
    judge = Judge(Measured(fidelity=1.0))
    both = f"same object, then {VARIATION}"
    chosen = [finished(n, kind, PSNR, variation=9) for n, kind in enumerate((VARIATION, both))]
    _, edge = run_checks([*chosen, finished(2, "same object", variation=9)], judge)
    found = [(sample.kind, sample.good) for sample in edge.samples]
    assert sorted(found) == [(both, True), (VARIATION, True)]
    assert judge.pictures == 2  # nothing was made again


@pytest.mark.parametrize(
    ("kind", "likeness", "cut", "place"),
    [
        (SIZE, "", 8, (SIZE, 8)),
        (SIZE, "unrelated", 5, ("unrelated", 5)),
        # the edge went on from the donor's output: the own ending may have come too late
        (SIZE, "unrelated", 8, ("unrelated, then size", 8)),
        # with the core prompt the device goes on as the edge did
        (CORE, "unrelated", 8, ("unrelated", 5)),
        (CORE, "", 8, None),
        (SIZE, "no likeness", 8, None),
    ],
)
def test_a_check_is_of_the_class_and_step_by_which_the_picture_was_reused(
    kind: str, likeness: str, cut: int, place: tuple[str, int] | None
) -> None:
    row = finished().row
    row.reuse_class = kind
    request = Request(request_id="r", prompt="a fox", pipeline="p", limit=9)
    reply = replace(
        answer(request, cut), check=True, likeness=likeness, reused_step=5 if likeness else 0
    )
    check = picture_check(row, reply, PSNR)
    assert (None if check is None else (check.kind, check.step)) == place


def test_only_what_was_asked_for_and_can_be_measured_is_checked() -> None:
    outside = finished(1, quality=FIDELITY)  # this meter has no catalogue to judge by
    checker, edge = run_checks([finished(0, asked=False), outside], Meter(None))
    assert not edge.samples and not checker.rows


def test_the_latest_are_checked_first_and_the_oldest_given_up() -> None:
    many = [finished(number) for number in range(PENDING + 3)]
    _, edge = run_checks(many, Judge(Measured(psnr_db=40.0)))
    checked = [int(sample.request_id) for sample in edge.samples]
    assert checked == list(range(PENDING + 2, 2, -1))


def test_an_edge_that_is_gone_ends_no_host() -> None:
    gone = Listener(EdgeUnreachable("no edge"))
    checker, _ = run_checks([finished(0), finished(1)], Judge(Measured(psnr_db=40.0)), gone)
    assert len(checker.rows) == 2
