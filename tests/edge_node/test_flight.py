"""A trajectory in flight: moved ends, leavers, refusals and failures; in virtual time, and once
with a real computing thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from edge_node.edge import Edge
from midstep.clock import WallClock
from midstep.diffusion.denoise import Trajectory
from midstep.errors import QueueFull
from midstep.wire.frame import Frame
from midstep.wire.messages import Answer
from midstep.wire.messages_control import Targets
from tests.edge_node.marked import MarkedDenoiser
from tests.edge_node.world import FRAME, Wish, keep, make_edge, wish, with_edge

TICK_S = 0.010
ENCODE_S = 0.002
IN_THE_FIFTH_TICK_S = ENCODE_S + 4.5 * TICK_S  # of the virtual clock, as every sleep here


def flying(edge: Edge, cut: int, limit: int | None = None, **changes: Any) -> asyncio.Task[Answer]:
    return asyncio.create_task(edge.obtain(wish(edge, cut, limit, **changes), 10))


def test_who_comes_in_the_tick_in_which_it_ends_goes_on_with_it() -> None:
    async def use(edge: Edge) -> tuple[int, Answer, float]:
        first = flying(edge, 5)
        await asyncio.sleep(IN_THE_FIFTH_TICK_S)
        late = await flying(edge, 7)
        assert (await first).frame.step == 5
        return edge.engine.steps, late, edge.clock.now()

    steps, late, now = with_edge(use, rule=Wish(6))
    assert steps == 7 and (late.reuse, late.edge_steps) == ("shared", 2)
    assert now == pytest.approx(7 * TICK_S + ENCODE_S)


@pytest.mark.parametrize("batched", [True, False])
def test_an_end_that_is_moved_down_costs_no_tick_more(batched: bool) -> None:
    async def use(edge: Edge) -> tuple[int, float, int]:
        stays = flying(edge, 5)
        goes = flying(edge, 8)
        await asyncio.sleep(IN_THE_FIFTH_TICK_S)
        goes.cancel()
        assert (await stays).frame.step == 5
        await asyncio.sleep(1)
        return edge.engine.steps, edge.engine.busy_s, len(edge.staging)

    denoiser = MarkedDenoiser(batched=batched)
    steps, busy_s, staged = with_edge(use, rule=Wish(6), denoiser=denoiser)
    assert (steps, staged) == (5, 1)
    assert busy_s == pytest.approx(5 * TICK_S + ENCODE_S)


def test_who_stays_pays_for_who_gives_up() -> None:
    async def use(edge: Edge) -> tuple[list[int], int]:
        goes = flying(edge, 8)
        calls = [flying(edge, cut) for cut in (3, 6, 4)]
        await asyncio.sleep(1.5 * TICK_S)
        goes.cancel()
        answers = [await call for call in calls]
        return [answer.edge_steps for answer in answers], edge.engine.steps

    assert with_edge(use, rule=Wish(6)) == ([3, 3, 0], 6)


def test_a_step_is_handed_over_when_its_tick_has_ended() -> None:
    async def use(edge: Edge) -> tuple[int, float]:
        first = flying(edge, 8)
        await asyncio.sleep(IN_THE_FIFTH_TICK_S)  # a paced step is done when its tick begins
        late = await flying(edge, 3, 9)
        await first
        return late.frame.step, late.edge_s

    assert with_edge(use, rule=Wish(6)) == (4, 0.0)


def test_the_plans_target_is_frozen_on_the_way_and_not_gone_for() -> None:
    async def use(edge: Edge) -> list[int]:
        answer = await flying(edge, 6)
        key = answer.frame.prompt_key
        for target in (3, 8):
            edge.rule.follow(Targets(((key, target),)))
            await flying(edge, 5)
        assert edge.engine.steps == 6 + 5 + 5
        return sorted(output.step for output in edge.staging.snapshot())

    assert with_edge(use, rule=Wish(6)) == [3, 5, 6]


def test_a_window_that_runs_gives_nobody_a_step_past_the_limit() -> None:
    async def use(edge: Edge) -> list[tuple[str, int]]:
        first = flying(edge, 6)
        await asyncio.sleep(TICK_S)  # within the window to 6
        answers = [await one for one in (flying(edge, 3, 4), flying(edge, 3, 9), first)]
        return [(answer.reuse, answer.frame.step) for answer in answers]

    denoiser = MarkedDenoiser(batched=False)
    answers = with_edge(use, rule=Wish(6), denoiser=denoiser)
    assert answers == [("computed", 3), ("shared", 6), ("computed", 6)]


def test_a_second_trajectory_hides_the_first_from_nobody() -> None:
    """One that began from a held output is no use to a request with a lower limit; the one before
    it is."""

    async def use(edge: Edge) -> tuple[Answer, int]:
        await keep(edge, await flying(edge, 7))
        low = flying(edge, 6)  # the held 7 is past its limit
        await asyncio.sleep(2.5 * TICK_S)
        high = flying(edge, 10)  # from the held 7
        await asyncio.sleep(TICK_S)
        joins = await flying(edge, 5)
        await asyncio.gather(low, high)
        return joins, edge.engine.steps

    joins, steps = with_edge(use, rule=Wish(6))
    assert (joins.reuse, joins.edge_steps) == ("shared", 0)
    assert steps == 7 + 6 + 3


def test_what_a_trajectory_began_from_serves_also_when_the_store_has_dropped_it() -> None:
    async def use(edge: Edge) -> tuple[Answer, int]:
        held = await flying(edge, 4)
        await keep(edge, held)
        on = flying(edge, 9)
        await asyncio.sleep(TICK_S)
        assert edge.store.evict(held.frame.prompt_key) == 1
        low = await flying(edge, 4)
        assert low.frame == held.frame
        await on
        return low, edge.engine.steps

    low, steps = with_edge(use, rule=Wish(6))
    assert (low.reuse, low.edge_steps, low.reused_step) == ("shared", 0, 4) and steps == 9


def test_private_requests_share_nothing() -> None:
    async def use(edge: Edge) -> list[str]:
        calls = [flying(edge, 6, private_seed=3) for _ in range(2)]
        return [(await call).reuse for call in calls] + [str(len(edge.staging))]

    assert with_edge(use, rule=Wish(6)) == ["computed", "computed", "0"]


def test_who_gives_up_in_the_queue_takes_nobodys_place() -> None:
    async def use(edge: Edge) -> tuple[int, str]:
        first = flying(edge, 9, prompt="a")
        await asyncio.sleep(TICK_S)
        gives_up = flying(edge, 9, prompt="b")
        await asyncio.sleep(TICK_S)
        gives_up.cancel()
        await asyncio.sleep(TICK_S)
        depth = edge.engine.queue_depth
        answer = await flying(edge, 9, prompt="c")
        await first
        return depth, answer.reuse

    assert with_edge(use, rule=Wish(6), max_batch=1, queue_limit=1) == (0, "computed")


def test_a_full_queue_refuses_all_but_those_who_join() -> None:
    async def use(edge: Edge) -> list[Any]:
        calls = [flying(edge, 6, prompt=prompt) for prompt in "abaccb"]
        await asyncio.sleep(TICK_S / 2)
        calls += [flying(edge, 6, prompt=prompt) for prompt in "dda"]
        results = await asyncio.gather(*calls, return_exceptions=True)
        assert not edge._flights
        return [type(r) if isinstance(r, QueueFull) else r.reuse for r in results]

    full = QueueFull
    made = with_edge(use, rule=Wish(6), max_batch=1, queue_limit=2)
    first = ["computed", "computed", "shared", full, full, "shared"]
    assert made == [*first, "computed", "shared", "shared"]


@pytest.mark.parametrize("after_s", [0.0, 3.5 * TICK_S], ids=["begin", "advance"])
def test_an_error_reaches_everybody_who_waits_and_nobody_else(after_s: float) -> None:
    denoiser = MarkedDenoiser(batched=True)

    async def use(edge: Edge) -> list[Any]:
        calls = [flying(edge, cut) for cut in (2, 6, 8)] + [flying(edge, 7, prompt="a pig")]
        await asyncio.sleep(after_s)
        denoiser.fails = True
        results = await asyncio.gather(*calls, return_exceptions=True)
        denoiser.fails = False
        again = await flying(edge, 8)
        assert (again.reuse, again.edge_steps) == ("computed", 8)
        assert edge.engine.in_flight == 0
        return [str(result) if isinstance(result, RuntimeError) else "" for result in results]

    errors = with_edge(use, rule=Wish(6), denoiser=denoiser)
    gone = "the network is gone"
    assert errors == ([gone] * 4 if after_s == 0 else ["", gone, gone, gone])


def test_an_output_that_cannot_be_packed_fails_those_who_leave_there() -> None:
    class Unpacked(MarkedDenoiser):
        def freeze(self, trajectory: Trajectory, prompt_key: str, step: int | None = None) -> Frame:
            if step == 4:
                raise RuntimeError("it cannot travel")
            return super().freeze(trajectory, prompt_key, step)

    async def use(edge: Edge) -> list[Any]:
        calls = [flying(edge, cut) for cut in (4, 6, 4)]
        return list(await asyncio.gather(*calls, return_exceptions=True))

    first, on, last = with_edge(use, rule=Wish(6), denoiser=Unpacked(batched=True))
    assert [str(one) for one in (first, last)] == ["it cannot travel"] * 2
    assert on.frame.step == 6


async def test_outputs_are_packed_where_the_denoiser_computes_before_the_next_step() -> None:
    calls: list[tuple[str, int, int]] = []

    class Noting(MarkedDenoiser):
        def advance(self, batch: Sequence[Trajectory]) -> None:
            super().advance(batch)
            calls.append(("advance", batch[0].step, threading.get_ident()))

        def freeze(self, trajectory: Trajectory, prompt_key: str, step: int | None = None) -> Frame:
            calls.append(("freeze", step or 0, threading.get_ident()))
            return super().freeze(trajectory, prompt_key, step)

    with ThreadPoolExecutor(1) as thread:
        edge = make_edge(
            WallClock(10),
            denoiser=Noting(batched=True),
            rule=Wish(6),
            executor=thread,
            staging=10 * FRAME,
        )
        engine = asyncio.create_task(edge.engine.run())
        answers = await asyncio.gather(*(flying(edge, cut) for cut in (2, 4, 2)))
        engine.cancel()
    assert [answer.edge_steps for answer in answers] == [2, 2, 0]
    order = [(name, step) for name, step, _ in calls]
    steps = [("advance", 1), ("advance", 2), ("freeze", 2), ("advance", 3), ("advance", 4)]
    assert order == [*steps, ("freeze", 4)]
    threads = {ident for _, _, ident in calls}
    assert len(threads) == 1 and threading.get_ident() not in threads
