"""Kinds: every one comes to the same holdings under the live learner, the simulator and the
replay."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from edge_node.edge import Edge
from midstep.wire.messages_control import Access, CacheUpdate
from orchestrator import policies
from orchestrator.decision.problem import Problem, Served
from orchestrator.evaluation.replay import ByDriver, Trace, problem
from orchestrator.evaluation.simulator.lanes import LeastCosts, PlannerLane, RuleLane
from orchestrator.evaluation.simulator.presets import find
from orchestrator.evaluation.simulator.topics import open_stream
from orchestrator.live.learner import Learner
from orchestrator.policies import Kind, Policy, SlotRecord
from orchestrator.policies.kinds.score_planner import ScorePlanner
from tests.edge_node.world import FRAME, ask, with_edge
from tests.orchestrator.live.tiny_policy import Tiny

ITEMS = 8
PLACES = 3
FACTS = Problem(PLACES * FRAME, 10, 6, frame_bytes=FRAME, items=ITEMS)
REST_S = 0.5  # of a request, after the edge
MAKES: dict[Kind, Callable[[], Policy]] = {
    Kind.RULE: policies.find("s3-fifo"),
    Kind.SCORE_PLANNER: policies.find("lfu-decay"),
    Kind.PRICE_PLANNER: policies.find("greedy"),
    Kind.PLANNER: Tiny,
}
Holdings = list[set[str]]


def requests() -> list[int]:
    weights = [1 / (item + 1) for item in range(ITEMS)]
    return random.Random(4).choices(range(ITEMS), weights, k=120)


def live(make: Callable[[], Policy]) -> tuple[Holdings, float]:
    """What an edge holds after each of the slots, one request a slot; and what a miss takes it."""

    async def use(edge: Edge) -> tuple[Holdings, float]:
        learner = Learner(make, FACTS, 7, edge, by_slot=False, target_s=1.0)
        learner.start()
        await asyncio.sleep(0.001)
        holdings = []
        edge_s = 0.0
        for slot, item in enumerate(requests()):
            answer = await edge.obtain(ask(edge, str(item)), 10)
            await asyncio.sleep(0.001)
            took = answer.queue_s + answer.edge_s
            hit = answer.reuse == "exact"
            edge_s = edge_s if hit else took
            await learner.end_slot(slot, [Served(str(item), hit, REST_S + took)])
            holdings.append({entry.prompt for entry in edge.store.snapshot()})
        await learner.close()
        return holdings, edge_s

    return with_edge(use)


def simulated(make: Callable[[], Policy], edge_s: float) -> Holdings:
    preset = find("full", ["items=8", "users=1", "requests_per_user=1", "capacity=3"])
    policy = make()
    policy.reset(FACTS, 7)
    stream = open_stream(preset, 0)
    lane = (
        PlannerLane(policy, stream, FACTS, LeastCosts(edge_s, REST_S))
        if policy.kind.plans
        else RuleLane(policy, stream, FACTS)
    )
    holdings = []
    for slot, item in enumerate(requests()):
        lane.serve(np.array([item]), slot)
        lane.driven.cache.check()
        holdings.append(set(lane.driven.cache.prompts))
    return holdings


def replayed(make: Callable[[], Policy]) -> Holdings:
    keys = tuple(map(str, requests()))
    trace = Trace("t", keys, 0, len(set(keys)))
    policy = make()
    policy.reset(replace(problem(trace, PLACES), items=ITEMS), 7)
    cache = ByDriver(policy, PLACES)
    holdings = []
    for key in keys:
        cache.ask([key])
        holdings.append(set(cache.cache.prompts))
    return holdings


@pytest.mark.parametrize("kind", Kind, ids=lambda kind: kind.value)
def test_a_kind_comes_to_the_same_holdings_everywhere(kind: Kind) -> None:
    make = MAKES[kind]
    assert make().kind is kind
    running, edge_s = live(make)
    assert len(set(map(frozenset, running))) > 5, "it hardly changed anything: nothing is compared"
    assert simulated(make, edge_s) == running
    if kind is not Kind.PRICE_PLANNER:  # a trace tells no prices: `midstep replay` refuses it
        assert replayed(make) == running


def test_every_policy_of_ours_says_its_kind() -> None:
    kinds = {name: policies.find(name).kind for name in policies.names()}
    assert {kinds[name] for name in ("lru", "none", "final")} == {Kind.RULE}
    assert {kinds[name] for name in ("lfu-decay", "drc-item")} == {Kind.SCORE_PLANNER}
    assert {kinds[name] for name in ("drc", "greedy", "ncldc")} == {Kind.PRICE_PLANNER}
    assert {name for name in kinds if policies.find(name).learns} == {
        "dnn",
        "drc",
        "drc-item",
        "drc-paper",
    }


def test_a_method_that_nobody_would_call_is_told_when_the_class_is_defined() -> None:
    def on_access(self: Policy, access: Access) -> CacheUpdate:
        return CacheUpdate()

    def plan(self: Policy, slot: SlotRecord) -> CacheUpdate:
        return CacheUpdate()

    rule = policies.find("lru")
    for bases, body, remedy in (
        ((Policy,), {"on_access": on_access}, r"Mine.on_access would never.*say kind = Kind.RULE"),
        ((rule,), {"plan": plan}, "Mine.plan would never be called.*eviction rule"),
        ((Policy,), {"learn": lambda self: None}, "say learns = True"),
        ((ScorePlanner,), {"plan": plan}, "Mine.plan would be skipped.*kind = Kind.PLANNER"),
    ):
        with pytest.raises(TypeError, match=remedy):
            type("Mine", bases, body)
    type("Mine", (ScorePlanner,), {"plan": plan, "kind": Kind.PLANNER})
