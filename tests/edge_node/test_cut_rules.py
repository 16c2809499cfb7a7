"""Where an edge cuts: each rule against its definition, and what devices and plans may say."""

from __future__ import annotations

import asyncio
import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_node.cut import (
    CUT_RULES,
    AtLimit,
    Considerate,
    CutRule,
    Fastest,
    FixedStep,
    Planned,
    Situation,
    open_rule,
)
from edge_node.edge import Edge
from edge_node.node import EdgeNode
from midstep.clock import VirtualClock
from midstep.errors import PipelineMismatch, ScenarioError
from midstep.scenario_file import parse
from midstep.wire.messages import Answer
from midstep.wire.messages_control import CacheUpdate, Targets
from tests import paced
from tests.edge_node.served import served
from tests.edge_node.world import Wish, ask, with_edge
from user_agent.client import GrpcEdge

S = 10
seconds = st.floats(0, 30)


@st.composite
def situations(draw: st.DrawFn) -> Situation:
    limit = draw(st.integers(1, S))
    until = draw(st.integers(0, S))
    max_batch = draw(st.integers(1, 4))
    ticks = sorted(draw(st.lists(st.floats(0.001, 1), min_size=max_batch, max_size=max_batch)))
    return Situation(
        prompt_key="key",
        limit=limit,
        steps=S,
        held=draw(st.integers(0, limit)),
        in_flight_step=draw(st.integers(0, until - 1)) if until else None,
        until=until,
        queue=draw(st.integers(0, 5)),
        batch=draw(st.integers(0, max_batch)),
        max_batch=max_batch,
        tick_s=(0.0, *ticks),
        job_steps=draw(st.floats(0, S)),
        link_s=draw(seconds),
        step_s=draw(st.floats(0, 2)),
        decode_s=draw(seconds),
        backlog_s=draw(seconds),
    )


def predicted_s(now: Situation, cut: int, step_price_s: float = 0.0) -> float:
    """L(cut) as docs/model.md has it, and the price of what would be computed for it."""
    joins = now.in_flight_step is not None
    full = not joins and now.queue + now.batch >= now.max_batch
    places = now.queue + now.batch - now.max_batch + 1
    wait_s = (
        places * now.job_steps * now.tick_s[now.max_batch] / now.max_batch
        if full
        else now.tick_s[now.batch] / 2
    )
    begins = now.in_flight_step if now.in_flight_step is not None else now.held
    batch = max(1, now.batch) if joins else min(now.max_batch, now.batch + 1)
    waits_s = 0.0
    if cut > now.held and cut > begins:
        waits_s = wait_s + (cut - begins) * now.tick_s[batch]
    own = max(0, cut - max(now.held, now.until if joins else 0))
    ready_s = max(waits_s + now.link_s, now.backlog_s)
    return ready_s + (S - cut) * now.step_s + now.decode_s + own * step_price_s


@settings(deadline=None)
@given(now=situations())
def test_the_fastest_cut_has_the_least_predicted_response(now: Situation) -> None:
    cut = Fastest(6).cut(now)
    least = min(predicted_s(now, other) for other in range(max(1, now.held), now.limit + 1))
    assert max(1, now.held) <= cut <= now.limit
    assert predicted_s(now, cut) == pytest.approx(least)


@settings(deadline=None)
@given(now=situations(), price_s=st.floats(0, 1))
def test_who_counts_the_others_or_a_price_computes_no_more(now: Situation, price_s: float) -> None:
    planned = Planned(6)
    planned.follow(Targets(step_price_s=price_s))
    fastest = Fastest(6).cut(now)
    considerate = Considerate(6).cut(now)
    assert planned.cut(now) <= considerate <= fastest
    assert Planned(6).cut(now) == considerate  # there is no plan yet


def test_a_user_whose_requests_meet_on_the_device_gets_further_steps() -> None:
    """At a price at which a step is not worth it to the request alone: with a long rest it delays
    the user's next request, with a short one it hardly does."""
    now = Situation(
        prompt_key="key",
        limit=S,
        steps=S,
        held=0,
        in_flight_step=None,
        until=0,
        queue=0,
        batch=0,
        max_batch=4,
        tick_s=(0.0, 0.1, 0.2, 0.3, 0.4),
        job_steps=0.0,
        link_s=0.5,
        step_s=1.0,
        decode_s=0.0,
        backlog_s=0.0,
    )
    planned = Planned(6)
    planned.follow(Targets(step_price_s=1.2))
    assert planned.cut(now) == 1
    for _ in range(50):
        planned.cut(replace(now, backlog_s=2.5))
    assert planned.cut(now) > 1


@settings(deadline=None)
@given(now=situations(), target=st.integers(1, S))
def test_the_plan_comes_first(now: Situation, target: int) -> None:
    planned = Planned(6)
    planned.follow(Targets((("key", target), ("other", 3)), 0.5))
    assert planned.cut(now) == target


def test_a_step_costs_its_time_also_before_the_first_tick() -> None:
    async def use(edge: Edge) -> int:
        quick = ask(edge, limit=S, step_s=0.001, rate_bps=1e9)  # its device is ten times faster
        await asyncio.gather(*(edge.obtain(quick, 10) for _ in range(3)))
        return edge.engine.steps

    assert with_edge(use, rule=Fastest(6)) == 1


def test_under_load_the_considerate_edge_computes_less() -> None:
    async def use(edge: Edge) -> int:
        calls = [
            edge.obtain(ask(edge, f"p {i}", limit=S, step_s=0.03, rate_bps=1e6), 10)
            for i in range(12)
        ]
        answers = await asyncio.gather(*calls)
        return sum(answer.edge_steps for answer in answers)

    fastest, considerate = (
        with_edge(use, rule=rule(6), max_batch=2) for rule in (Fastest, Considerate)
    )
    assert considerate < fastest


@pytest.mark.parametrize(
    ("rule", "limit", "step"),
    [
        (FixedStep(6), 4, 4),
        (FixedStep(6), 9, 6),
        (AtLimit(6), 9, 9),
        (Wish(6), 9, 1),  # it wants 0
    ],
)
def test_a_cut_is_within_one_and_the_limit(rule: CutRule, limit: int, step: int) -> None:
    async def use(edge: Edge) -> Answer:
        return await edge.obtain(ask(edge, limit=limit), 10)

    assert with_edge(use, rule=rule).frame.step == step


ODD = [math.nan, -1.0, math.inf, -math.inf, 0.0, 5e-324, 1e308]


@pytest.mark.parametrize("rule", [Fastest, Considerate, Planned])
def test_odd_values_of_a_device_or_a_plan_do_no_harm(rule: type[CutRule]) -> None:
    async def use(edge: Edge) -> list[int]:
        usual = (await edge.obtain(ask(edge, limit=S), 10)).frame.step
        for value in ODD:
            for name in ("rate_bps", "step_s", "backlog_s"):
                call = edge.obtain(ask(edge, f"{name} {value}", limit=S, **{name: value}), 10)
                assert 1 <= (await call).frame.step <= S
        steps = []
        for price_s in (math.nan, -1.0, math.inf):
            plan = Targets((("unknown", 4), ("", 99), ("x", 0)), price_s)
            await edge.apply(CacheUpdate(targets=plan))
            steps.append((await edge.obtain(ask(edge, f"p {price_s}", limit=S), 10)).frame.step)
        assert steps == [usual] * 3
        answer = await edge.obtain(ask(edge, limit=8), 10)
        key = answer.frame.prompt_key
        for target in (99, 0, 11):  # past S, and none
            await edge.apply(CacheUpdate(targets=Targets(((key, target),))))
            answer = await edge.obtain(ask(edge, limit=8), 10)
            assert answer.frame.step <= 8
        return [output.step for output in edge.staging.snapshot()]

    assert max(with_edge(use, rule=rule(6))) <= S


def test_an_unknown_rule_is_one_line() -> None:
    scenario = parse(paced.tree(cut={"rule": "fastst"}))
    steps = scenario.model.steps
    for split_step in (6, steps):  # whole pictures need no rule: a wrong one is wrong all the same
        with pytest.raises(ScenarioError, match="no rule fastst; give fixed, limit") as error:
            open_rule(scenario, split_step)
        assert "\n" not in str(error.value)
    for name in CUT_RULES:
        named = parse(paced.tree(cut={"rule": name}))
        assert open_rule(named, 6).split_step == 6
        assert isinstance(open_rule(named, steps), FixedStep)  # of whole pictures there is one cut


async def test_an_unknown_rule_is_refused_before_the_model_is_loaded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def loaded(*args: object) -> None:
        raise AssertionError("the model was loaded")

    monkeypatch.setattr("edge_node.node.open_computing", loaded)
    with pytest.raises(ScenarioError, match="no rule fastst"):
        await EdgeNode.open(parse(paced.tree(cut={"rule": "fastst"})), VirtualClock())


@pytest.mark.parametrize("limit", [0, 11, 2**31 - 1])
async def test_a_limit_that_is_no_step_is_refused_in_one_line_over_the_wire(limit: int) -> None:
    async with served() as (edge, address):
        client = GrpcEdge(address)
        odd: dict[str, Any] = {"rate_bps": math.nan, "step_s": -math.inf, "backlog_s": math.inf}
        with pytest.raises(PipelineMismatch, match=rf"step {limit}, edge-t has steps 1 to 10") as e:
            await client.obtain(ask(edge, limit=limit, **odd), 10)
        assert "\n" not in str(e.value)
        assert (await client.obtain(ask(edge, limit=4, **odd), 10)).frame.step == 4
        await client.close()
