"""What a coupled edge does with a slot's plan, in virtual time: slots of a second, ten steps of
10 ms."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from edge_node.edge import Edge
from midstep.errors import ScenarioError
from midstep.wire.identity import shared_seed
from midstep.wire.messages import Answer
from midstep.wire.messages_control import CacheUpdate, PlannedStep, SlotPlan
from tests.edge_node.world import FRAME, accesses, ask, with_edge

LATER_S = 0.05  # when the plan comes


def key_of(edge: Edge, prompt: str) -> str:
    from midstep.wire.identity import OutputKey

    return OutputKey.of(edge.identity.digest(), prompt, None, edge.seed).digest()


async def slot(
    edge: Edge, number: int, plan: dict[str, tuple[int, bool]], *requests: Any
) -> list[Answer]:
    """The answers of a slot's requests, which come 1 ms after it has begun."""
    now = edge.clock.now
    await edge.clock.sleep_until(number + 0.001)
    asked = [asyncio.create_task(edge.obtain(request, 10)) for request in requests]
    demand = await edge.gather(number, len(requests), 0.02)
    assert [one.request_id for one in demand] == [
        one.request_id for one in requests if one.private_seed is None
    ]
    await edge.clock.sleep_until(number + LATER_S)
    steps = tuple(
        PlannedStep(prompt_key=key_of(edge, prompt), step=step, from_store=held)
        for prompt, (step, held) in plan.items()
    )
    await edge.serve(SlotPlan(slot=number, steps=steps))
    answers = list(await asyncio.gather(*asked))
    assert now() < number + 1
    return answers


def shown(answers: list[Answer]) -> list[tuple[str, int, int, int]]:
    return [
        (one.reuse, 0 if one.frame is None else one.frame.step, one.edge_steps, one.saved_steps)
        for one in answers
    ]


def test_a_plan_says_what_is_computed_once_and_what_devices_make() -> None:
    async def use(edge: Edge) -> Any:
        async with accesses(edge) as seen:
            requests = [
                ask(edge, "panda", "a", limit=10),
                ask(edge, "panda", "b", limit=10),
                ask(edge, "lion", "c", limit=10),
                ask(edge, "unnamed", "d", limit=10),
                ask(edge, "panda", "own", limit=10, private_seed=5),
            ]
            answers = await slot(edge, 0, {"panda": (4, False), "lion": (0, False)}, *requests)
            late = await edge.obtain(ask(edge, "lion", "late", limit=10), 10)
        return [*answers, late], [access.request_id for access in seen]

    answers, seen = with_edge(use, coupled=True)
    assert shown(answers) == [
        ("computed", 4, 4, 0),
        ("shared", 4, 0, 4),
        ("local", 0, 0, 0),
        ("local", 0, 0, 0),
        ("local", 0, 0, 0),
        ("local", 0, 0, 0),
    ]
    assert seen == ["a", "b"]  # of a picture that devices make there is no access
    waits = [one.plan_wait_s for one in answers]
    assert waits == pytest.approx([LATER_S - 0.001] * 5 + [0.0])
    assert answers[0].edge_s == pytest.approx(0.002 + 4 * 0.010)
    assert [one.edge_s + one.queue_s for one in answers[2:]] == [0.0] * 4
    assert [one.frame is None for one in answers] == [False, False, True, True, True, True]
    assert answers[3].seed == shared_seed("unnamed", 7) and answers[4].seed == 5


def test_only_a_plan_that_says_so_and_exactly_its_step_is_served_from_the_store() -> None:
    async def use(edge: Edge) -> Any:
        (first,) = await slot(edge, 0, {"panda": (4, False)}, ask(edge, "panda", limit=10))
        assert first.frame is not None
        await edge.apply(CacheUpdate(((first.frame.prompt_key, 4),)))
        results = []
        for number, planned in enumerate([(4, True), (4, False), (6, False), (6, True), (3, True)]):
            request = ask(edge, "panda", limit=10)
            results += await slot(edge, 1 + number, {"panda": planned}, request)
        return results, edge.engine.steps

    results, steps = with_edge(use, coupled=True)
    assert shown(results) == [
        ("exact", 4, 0, 4),
        ("computed", 4, 4, 0),  # the tolerance draw says no
        ("computed", 6, 6, 0),  # from noise, whole: E_r(6) of (14)
        ("computed", 6, 6, 0),  # what the plan takes for held is not there
        ("computed", 3, 3, 0),
    ]
    assert [one.reused_step for one in results] == [4, 0, 0, 0, 0]
    assert steps == 4 + 4 + 6 + 6 + 3


def test_a_request_is_never_handed_a_step_past_its_own_limit() -> None:
    async def use(edge: Edge) -> Any:
        requests = [ask(edge, "panda", str(limit), limit=limit) for limit in (9, 3, 6, 3)]
        made = await slot(edge, 0, {"panda": (6, False)}, *requests)
        assert made[0].frame is not None
        await edge.apply(CacheUpdate(((made[0].frame.prompt_key, 6),)))
        return made, await slot(edge, 1, {"panda": (6, True)}, *requests), edge.engine.steps

    made, again, steps = with_edge(use, coupled=True)
    assert shown(made) == [
        ("computed", 6, 6, 0),
        ("shared", 3, 0, 3),
        ("shared", 6, 0, 6),
        ("shared", 3, 0, 3),
    ]
    assert shown(again) == [
        ("exact", 6, 0, 6),
        ("computed", 3, 3, 0),
        ("exact", 6, 0, 6),
        ("shared", 3, 0, 3),
    ]
    assert steps == 6 + 3


def test_where_no_plan_comes_the_devices_make_every_picture_and_it_is_counted() -> None:
    async def use(edge: Edge) -> Any:
        missed = edge.metrics._plans_missed._value.get()
        answers = [await edge.obtain(ask(edge, limit=10), 10)]
        assert edge.clock.now() == pytest.approx(0.5)
        with pytest.raises(TimeoutError):
            await edge.obtain(ask(edge, limit=10), 0.01)
        assert edge.gate is not None and len(edge.gate) == 0
        return answers, edge.metrics._plans_missed._value.get() - missed

    answers, missed = with_edge(use, coupled=True)
    assert shown(answers) == [("local", 0, 0, 0)] and missed == 1


def test_an_edge_whose_requests_wait_for_no_plan_takes_none() -> None:
    async def use(edge: Edge) -> None:
        with pytest.raises(ScenarioError, match=r"modes\.edge"):
            await edge.gather(0, 1, 0.05)
        with pytest.raises(ScenarioError, match=r"modes\.edge"):
            await edge.serve(SlotPlan(slot=0))

    with_edge(use)


def test_staging_holds_the_outputs_of_a_slot() -> None:
    async def use(edge: Edge) -> None:
        edge.check_capacity(FRAME, 10)
        with pytest.raises(ScenarioError, match=r"a slot's 11 outputs.* at least 11000"):
            edge.check_capacity(FRAME, 11)

    with_edge(use, coupled=True)
