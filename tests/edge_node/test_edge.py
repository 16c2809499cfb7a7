"""The life of a request on the edge, in virtual time."""

import asyncio
import math
from typing import Any

import pytest

from edge_node.edge import Edge
from midstep.errors import PipelineMismatch, PromptError, QueueFull, ScenarioError
from midstep.wire.messages import Answer
from midstep.wire.messages_control import Access, CacheUpdate
from tests.edge_node.world import FRAME, Wish, accesses, ask, keep, with_edge


def test_what_is_not_kept_is_computed_again() -> None:
    async def use(edge: Edge) -> list[str]:
        return [(await edge.obtain(ask(edge), 10)).reuse for _ in range(2)]

    assert with_edge(use) == ["computed", "computed"]


def test_a_hit_does_no_edge_step_and_costs_no_time() -> None:
    async def use(edge: Edge) -> tuple[Answer, Answer]:
        first = await edge.obtain(ask(edge), 10)
        await keep(edge, first)
        return first, await edge.obtain(ask(edge), 10)

    miss, hit = with_edge(use)
    assert (miss.reuse, miss.edge_steps, miss.saved_steps) == ("computed", 6, 0)
    assert miss.edge_s == pytest.approx(6 * 0.010 + 0.002)
    assert (hit.reuse, hit.edge_steps, hit.saved_steps, hit.edge_s) == ("exact", 0, 6, 0.0)
    assert hit.frame == miss.frame


def test_another_negative_prompt_is_another_output() -> None:
    async def use(edge: Edge) -> list[tuple[str, str]]:
        await keep(edge, await edge.obtain(ask(edge, negative="fur"), 10))
        answers = [
            await edge.obtain(ask(edge, negative=negative), 10) for negative in ("fur", "", "snow")
        ]
        with pytest.raises(PromptError, match="the negative prompt has 2001 characters"):
            await edge.obtain(ask(edge, negative="x" * 2001), 10)
        return [(answer.reuse, answer.frame.prompt_key) for answer in answers]

    reuse, keys = zip(*with_edge(use), strict=True)
    assert reuse == ("exact", "computed", "computed")
    assert len({*keys}) == 3


def test_requests_for_an_output_in_the_making_share_it() -> None:
    async def use(edge: Edge) -> list[Answer]:
        return list(await asyncio.gather(*(edge.obtain(ask(edge), 10) for _ in range(3))))

    answers = with_edge(use)
    assert sorted(a.reuse for a in answers) == ["computed", "shared", "shared"]
    assert sum(a.edge_steps for a in answers) == 6
    assert all(a.edge_steps + a.saved_steps == 6 for a in answers)
    assert len({a.frame.payload for a in answers}) == 1


def test_who_joins_late_waits_only_for_the_steps_that_are_left() -> None:
    async def use(edge: Edge) -> tuple[Answer, Answer, Answer]:
        first = asyncio.create_task(edge.obtain(ask(edge), 10))
        await asyncio.sleep(0.03)
        late = await edge.obtain(ask(edge), 10)
        return await first, late, await edge.obtain(ask(edge), 10)

    first, late, after = with_edge(use)
    assert (first.reuse, late.reuse, after.reuse) == ("computed", "shared", "computed")
    assert (late.edge_steps, late.saved_steps, late.queue_s) == (0, 6, 0.0)
    assert late.edge_s == pytest.approx(6 * 0.010 + 0.002 - 0.03)
    assert late.frame == first.frame


def test_the_cut_is_the_edges_and_no_further_than_the_device_asks_for() -> None:
    async def use(edge: Edge) -> list[int]:
        answers = [await edge.obtain(ask(edge, f"p {n}", limit=n), 10) for n in (4, 6, 10)]
        return [answer.frame.step for answer in answers]

    assert with_edge(use) == [4, 6, 6]


def test_sharing_survives_the_one_who_asked_first() -> None:
    async def use(edge: Edge) -> tuple[str, int]:
        first = asyncio.create_task(edge.obtain(ask(edge), 10))
        await asyncio.sleep(0.01)
        second = asyncio.create_task(edge.obtain(ask(edge), 10))
        await asyncio.sleep(0.01)
        first.cancel()
        return (await second).reuse, edge.engine.in_flight

    assert with_edge(use) == ("shared", 0)


def test_work_that_nobody_waits_for_is_given_up() -> None:
    async def use(edge: Edge) -> int:
        with pytest.raises(TimeoutError):
            await edge.obtain(ask(edge), 0.025)
        await asyncio.sleep(0.02)
        return edge.engine.in_flight

    assert with_edge(use) == 0


def test_another_prompt_another_pipeline_another_seed_are_never_served() -> None:
    async def use(edge: Edge) -> list[str]:
        await keep(edge, await edge.obtain(ask(edge), 10))
        other = await edge.obtain(ask(edge, "a panda "), 10)
        own = await edge.obtain(ask(edge, private_seed=3), 10)
        with pytest.raises(PipelineMismatch, match="start both with the same model"):
            await edge.obtain(ask(edge, pipeline="0" * 32), 10)
        return [other.reuse, own.reuse]

    assert with_edge(use) == ["computed", "computed"]


def test_a_private_output_reaches_neither_staging_nor_the_policy() -> None:
    async def use(edge: Edge) -> tuple[int, list[Access]]:
        async with accesses(edge) as seen:
            await edge.obtain(ask(edge, private_seed=3), 10)
            await edge.obtain(ask(edge), 10)
        return len(edge.staging), seen

    staged, seen = with_edge(use)
    assert staged == 1 and [access.reuse for access in seen] == ["computed"]


@pytest.mark.parametrize(("prompt", "why"), [("", "empty"), ("x" * 2001, "2001 characters")])
def test_bad_prompts_are_refused(prompt: str, why: str) -> None:
    async def use(edge: Edge) -> None:
        with pytest.raises(PromptError, match=why):
            await edge.obtain(ask(edge, prompt), 10)

    with_edge(use)


def test_a_full_queue_refuses_and_those_in_it_are_served() -> None:
    async def use(edge: Edge) -> list[Any]:
        calls = [edge.obtain(ask(edge, f"prompt {i}"), 10) for i in range(4)]
        return list(await asyncio.gather(*calls, return_exceptions=True))

    results = with_edge(use, queue_limit=2, max_batch=1)
    assert [isinstance(r, QueueFull) for r in results] == [False, False, True, True]


def test_where_the_queue_is_full_a_held_output_before_the_cut_serves_as_it_is() -> None:
    async def use(edge: Edge) -> tuple[Answer, int]:
        await keep(edge, await edge.obtain(ask(edge, limit=4, backlog_s=4), 10))
        others = []
        for name in ("in flight", "waits"):
            others.append(asyncio.create_task(edge.obtain(ask(edge, name, backlog_s=6), 10)))
            await asyncio.sleep(0.001)
        with pytest.raises(QueueFull):
            await edge.obtain(ask(edge, limit=3, backlog_s=3), 10)  # it can use nothing of it
        answer = await edge.obtain(ask(edge, limit=9, backlog_s=8), 10)
        return answer, sum(other.edge_steps for other in await asyncio.gather(*others))

    answer, computed = with_edge(use, rule=Wish(6), queue_limit=1, max_batch=1)
    assert (answer.reuse, answer.frame.step, answer.reused_step) == ("exact", 4, 4)
    assert (answer.edge_steps, answer.saved_steps, computed) == (0, 4, 12)


def test_an_edit_never_overfills_the_store_and_says_what_it_refused() -> None:
    async def use(edge: Edge) -> tuple[Any, Any, int]:
        answers = [await edge.obtain(ask(edge, f"prompt {i}"), 10) for i in range(5)]
        keys = tuple((a.frame.prompt_key, 6) for a in answers)
        filled = await edge.apply(CacheUpdate(keys))
        swapped = await edge.apply(CacheUpdate((keys[3], ("nothing", 6)), (keys[0][0], "nothing")))
        return filled, swapped, (await edge.snapshot()).store_bytes

    filled, swapped, nbytes = with_edge(use)
    assert (filled.admitted, filled.refused) == (3, 2)
    assert (swapped.admitted, swapped.evicted, swapped.refused) == (1, 1, 1)
    assert nbytes == 3 * FRAME


def test_a_capacity_below_one_output_is_told() -> None:
    async def use(edge: Edge) -> None:
        edge.check_capacity(FRAME)
        with pytest.raises(ScenarioError, match="cannot hold one output"):
            edge.check_capacity(3 * FRAME + 1)

    with_edge(use)


REPORTS = {"rate_bps": 1e6, "step_s": 0.1, "backlog_s": 0.2}


@pytest.mark.parametrize("value", [math.nan, math.inf, -1.0, 5e-324, 1e300], ids=str)
def test_what_no_device_can_be_does_not_reach_the_policy(value: float) -> None:
    """A policy keeps means over devices: one that lies must not decide for all."""

    async def use(edge: Edge) -> list[Access]:
        async with accesses(edge) as seen:
            for name in REPORTS:
                await edge.obtain(ask(edge, f"of {name}", **{**REPORTS, name: value}), 10)
        return seen

    seen = [
        {name: getattr(access, name) for name in REPORTS} for access in with_edge(use, rule=Wish(6))
    ]
    tiny = {"backlog_s": value} if value == 5e-324 else {}  # a device may well be free by then
    assert seen == [{**REPORTS, name: tiny.get(name, 0.0)} for name in REPORTS]
