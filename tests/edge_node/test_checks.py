"""An edge's side of the checks: what it asks for, what it counts, and what it limits after that."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edge_node.checks import Checks
from midstep.errors import PromptError
from midstep.reuse.classes import CLASSES
from midstep.reuse.guard import Guard
from midstep.reuse.limits import CORE, SIZE
from midstep.reuse.ward import MOST
from midstep.telemetry.writers import GuardMetrics
from midstep.wire.messages import Answer, Quality, QualitySample, Request
from tests.edge_node.served import served
from tests.edge_node.world import ask
from tests.user_agent.edges import answer
from user_agent.client import GrpcEdge

STEPS = 10
PSNR = Quality(metric="psnr", floor=30.0, share=0.95)


def checks(check_share: float = 0.05) -> Checks:
    return Checks(Guard(check_share), STEPS, 7, GuardMetrics("edge-0"))


def request(kind: str = SIZE, quality: Quality | None = PSNR, name: str = "0") -> Request:
    return Request(
        request_id=name, prompt="a fox", pipeline="p", limit=9, kind=kind, quality=quality
    )


def sample(kind: str = SIZE, step: int = 8, good: bool = False) -> QualitySample:
    return QualitySample(request_id="0", kind=kind, step=step, quality=PSNR, good=good)


def similar(one: Request, cut: int = 4) -> Answer:
    """An answer from another prompt's output of step 4, that the edge took on to `cut`."""
    return replace(answer(one, cut), reused_step=4, donor_key="d", likeness="same object")


def test_bad_pictures_lower_what_is_granted() -> None:
    one = checks()
    assert one.capped(request()).limit == 9
    for _ in range(20):
        one.report(sample(step=8))
    assert one.capped(request()).limit == 4
    (line,) = one.notices()
    assert "below psnr 30" in line and "size: step 4" in line
    assert one.notices() == []
    # of others nothing is known: the core prompt's pictures are the very ones
    assert one.capped(request(CORE)).limit == 9
    assert one.capped(request("position")).limit == 9
    assert one.capped(request(quality=None)).limit == 9


def test_step_1_always_serves_the_own_prompt_and_a_donor_may_be_refused() -> None:
    one = checks()
    for kind in (SIZE, "same object"):
        for _ in range(20):
            one.report(sample(kind, step=1))
    assert one.capped(request()).limit == 1
    assert one.notices()[-1].endswith("(size: step 1; same object: step 0)")
    assert one.donor_limit("same object", PSNR, 6) == 0
    assert one.donor_limit("same scene", PSNR, 6) == 6


def test_all_are_checked_at_first_and_a_share_of_them_in_the_end() -> None:
    one = checks(check_share=0.2)
    asked = [request(name=str(number)) for number in range(400)]
    assert all(one.marked(each, answer(each)).check for each in asked)
    for _ in range(1000):
        one.report(sample(step=6, good=True))
    marked = sum(one.marked(each, answer(each)).check for each in asked)
    assert marked == pytest.approx(80, abs=25)
    # by the request, so that a run says the same each time
    assert marked == sum(one.marked(each, answer(each)).check for each in reversed(asked))


def test_what_is_the_picture_without_reuse_is_not_checked() -> None:
    one = checks()
    for each in (request(CORE), request(""), request(quality=None)):
        assert not one.marked(each, answer(each)).check
    local = replace(answer(request()), frame=None, reuse="local")
    assert not one.marked(request(), local).check
    assert not checks(check_share=0).marked(request(), answer(request())).check
    assert one.marked(request(CORE), similar(request(CORE))).check  # another prompt's output


def checked(one: Checks, cut: int, kind: str = SIZE) -> int:
    """How many of 100 requests that a donor's output of step 4 served are to be checked."""
    requests = [request(kind, name=str(number)) for number in range(100)]
    return sum(one.marked(each, similar(each, cut)).check for each in requests)


def test_a_donor_is_counted_at_its_own_step() -> None:
    one = checks()
    for _ in range(1000):
        one.report(sample("same object", step=4, good=True))
    assert checked(one, cut=4) < 20
    # what went on from it may be spoilt by the user's own ending, where there is one
    assert checked(one, cut=6) == 100
    assert checked(one, cut=6, kind=CORE) < 20


def test_what_went_on_from_a_donor_is_a_class_of_its_own() -> None:
    one = checks()
    for _ in range(20):
        one.report(sample("same object, then size", step=6))
    assert one.resumed_limit(request(), "same object") == 3
    assert one.donor_limit("same object", PSNR, 6) == 6
    assert one.capped(request()).limit == 9
    for other in (request(CORE), request(""), request("position"), request(quality=None)):
        assert one.resumed_limit(other, "same object") == 9
    assert one.resumed_limit(request(), "unrelated") == 9
    for _ in range(1000):
        one.report(sample("unrelated, then size", step=6, good=True))
    assert checked(one, cut=6) == 100


def test_there_are_no_more_classes_than_are_watched() -> None:
    assert len(CLASSES) <= MOST


@pytest.mark.parametrize(
    "impossible",
    [
        sample(step=0),
        sample(step=STEPS + 1),
        sample(kind=""),
        sample(kind="x" * 1000),
        replace(sample(), quality=Quality(metric="beauty", floor=1.0, share=0.9)),
        replace(sample(), quality=Quality(metric="psnr", floor=float("nan"), share=0.9)),
        replace(sample(), quality=Quality(metric="psnr", floor=30.0, share=1.0)),
    ],
)
def test_a_sample_that_cannot_be_is_refused(impossible: QualitySample) -> None:
    one = checks()
    with pytest.raises(PromptError, match="cannot be"):
        one.report(impossible)
    assert one.guard.qualities == ()


async def test_what_a_device_found_crosses_the_wire_and_a_wrong_sample_is_refused() -> None:
    async with served() as (edge, address):
        client = GrpcEdge(address)
        await client.report(sample())  # this edge, a paced one, checks nothing
        edge.checks = one = checks()
        for _ in range(20):
            await client.report(sample())
        with pytest.raises(PromptError, match="cannot be"):
            await client.report(sample(step=STEPS + 1))
        await client.close()
    assert one.guard.ceiling(SIZE, PSNR) == 4


async def test_an_edge_hands_over_no_later_than_its_checks_say() -> None:
    async with served() as (edge, address):
        edge.checks = one = checks()
        for _ in range(20):
            one.report(sample(step=8))
        client = GrpcEdge(address)
        wanted = replace(ask(edge, "a fox"), kind=SIZE, quality=PSNR)
        answer = await client.obtain(wanted, 10)
        await client.close()
    assert answer.frame is not None
    assert (answer.frame.step, answer.check) == (4, True)


def test_no_caller_fills_the_memory() -> None:
    one = checks()
    for number in range(300):
        with pytest.raises(PromptError):
            one.report(sample(kind=f"kind {number}"))
        quality = Quality(metric="psnr", floor=1.0 + number, share=0.95)
        one.report(replace(sample(), quality=quality))
    assert len(one.guard.qualities) <= 64
    assert one.guard.unwatched > 200
    said = [line for line in one.notices() if "are not watched" in line]
    assert len(said) == 1 and "more than 64 qualities" in said[0]
    assert {count.kind for count in one.guard.counts(PSNR)} <= {sample().kind}
