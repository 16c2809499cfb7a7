"""The learner of a coupled edge against the simulator: one seed is one world on both roads."""

from __future__ import annotations

import numpy as np
import pytest

from midstep.clock import run_virtual
from midstep.errors import PolicyFailed
from midstep.wire.messages_control import CachedOutput, CacheUpdate, Demand, EdgeWork, SlotPlan
from orchestrator import policies
from orchestrator.decision.problem import Problem
from orchestrator.evaluation.simulator import presets
from orchestrator.evaluation.simulator.compare import _open, calibrate
from orchestrator.evaluation.simulator.world import World
from orchestrator.live.reactive_learner import Coupled, ReactiveLearner
from orchestrator.live.slot_planner import SlotPlanner, SlotSetting, SlotState
from orchestrator.live.tick_meter import TickMeter
from orchestrator.policies.kinds.price_planner import price_planner
from tests.orchestrator.live.coupled_edge import CoupledEdge, setting_of

SLOTS = 60


@pytest.mark.parametrize("name", ["greedy", "ncldc", "oo", "dnn", "drc", "drc-paper", "drc-item"])
def test_a_slot_is_the_simulators(name: str) -> None:
    lane = (presets.find("compact", ["capacity=25"]), 3)
    target_s = calibrate([lane], SLOTS)
    world = World([lane])
    rollout, planner = _open(name, world, target_s)
    edge = CoupledEdge(world, lane[0].frame_bits)
    learner = ReactiveLearner(
        lambda: price_planner(policies.find(name)()),
        world.problem(0),
        lane[1],
        edge,
        coupled=Coupled(setting=setting_of(world), slot_seconds=1.0, tick_s=(2e-4,)),
        target_s=float(target_s[0]),
    )

    async def play() -> None:
        await learner.open(None)
        for slot in range(SLOTS):
            world.advance()
            choice = rollout.slot(measure=True, gap=True)[0]
            loss = planner.learn() if planner.learns else None
            before = learner.virtual_queue.queue_s
            await learner.begin_slot(slot, 200)
            items = np.flatnonzero(world.count[0])
            cost_s = rollout.cost_s[0, items]
            slower = cost_s[np.arange(len(items)), choice[items]] > cost_s[:, 0]
            served = np.where(slower & rollout.guarded, 0, choice[items])
            assert edge.steps(items.tolist()) == served.tolist(), slot
            decision = await learner.end_slot(slot, edge.served())
            assert edge.held().tolist() == rollout.cached[0].tolist(), slot
            assert decision.queue_s == pytest.approx(rollout.queue_s[0], abs=1e-9)
            average_s = decision.cost.latency_avg_s
            assert decision.queue_s == max(before + average_s - float(target_s[0]), 0.0)
            assert decision.gap_to_exact == pytest.approx(
                rollout.last_gap[0], abs=1e-9, nan_ok=True
            )
            assert decision.stats == loss
        assert learner.virtual_queue.queue_s > 0 or name == "oo"

    run_virtual(play())


def test_a_limit_below_the_choice_is_priced_as_the_edge_serves_it() -> None:
    """Two users want prompt 4 and only one of them may follow it to step 6: held at 6, it serves
    one; the other gets its own 3 steps from noise, so that the prompt is no hit."""
    planner, demand = _two_users(limits=(20, 3))
    held = [CachedOutput("key 4", "prompt 4", 6, 100)]
    planned = planner.plan(demand, held, STATE)
    assert planner.cost_s[0, 4, 6] == pytest.approx(max(0.02 + 14 * 3e-3, 0.04 + 3e-4 + 17 * 4e-3))
    assert planner.cost_s[0, 4, 2] == pytest.approx(0.04 + 2e-4 + 18 * 4e-3)
    assert planner.cost_s[0, 4, 0] == pytest.approx(20 * 4e-3)
    assert not planner.hit[0, 4].any() and planned.gap is None
    every, _ = _two_users(limits=(20, 20))
    every.plan(_two_users(limits=(20, 20))[1], held, STATE)
    assert every.hit[0, 4, 6] and every.cost_s[0, 4, 6] == pytest.approx(0.04 + 14 * 4e-3)


def test_an_answer_that_cannot_be_carried_out_is_refused() -> None:
    for update, message in (
        (CacheUpdate(admit=(("7", 6),)), "step 6 of prompt 7, which nobody asks for"),
        (CacheUpdate(admit=(("4", 7),)), "step 7 of prompt 4: a plan names 2 to 6"),
        (CacheUpdate(admit=(("4", 1),)), "step 1 of prompt 4: a plan names 2 to 6"),
    ):
        planner, demand = _two_users(limits=(20, 20))
        planner.policy.plan = lambda record, update=update: update  # type: ignore[method-assign]
        with pytest.raises(ValueError, match=message):
            planner.plan(demand, (), STATE)


def test_the_serve_guard_keeps_what_is_held_and_holds_nothing_that_nobody_computed() -> None:
    planner, demand = _two_users(limits=(20, 20), rate_bps=1e6)  # a transfer takes 4 s
    planner.policy.plan = lambda record: CacheUpdate(admit=(("4", 6),))  # type: ignore[method-assign]
    planner._guarded = True
    planned = planner.plan(demand, (), STATE)
    assert [step.step for step in planned.plan.steps] == [0] and planned.choice[4] == 6
    assert not planner.update(planned, ())
    held = [CachedOutput("key 4", "prompt 4", 5, 100)]
    planned = planner.plan(demand, held, STATE)
    assert not planner.update(planned, held), "step 5 stays"


STATE = SlotState(slot=0, counted=0, queue_s=0.0, target_s=1.0, edge_step_s=1e-4)


def _two_users(limits: tuple[int, int], rate_bps: float = 2e8) -> tuple[SlotPlanner, list[Demand]]:
    """Users 0 and 1 ask for prompt 4; the second's link and device are slower."""
    problem = Problem(
        1000,
        20,
        6,
        frame_bytes=100,
        items=10,
        users=2,
        edge="coupled",
        timing="reactive",
        number=int,
    )
    policy = policies.find("greedy")()
    policy.reset(problem, 7)
    setting = SlotSetting(
        prompts=[f"prompt {r}" for r in range(10)],
        frame_bits=4e6,
        bandwidth_hz=np.full(2, 1e7),
        seed=7,
        tolerant=False,
    )
    demand = [
        Demand(
            request_id=str(user),
            prompt_key="key 4",
            prompt="prompt 4",
            user=user,
            limit=limit,
            rate_bps=rate_bps / (1 + user),
            step_s=(3 + user) * 1e-3,
        )
        for user, limit in enumerate(limits)
    ]
    return SlotPlanner(policy, problem, setting), demand


def test_a_learner_goes_on_from_the_state_of_another() -> None:
    """Half of the slots each: choices, content and networks are those of one learner alone."""
    lane = (presets.find("compact", ["capacity=25"]), 3)

    def learner(edge: CoupledEdge, world: World) -> ReactiveLearner:
        return ReactiveLearner(
            policies.find("drc"),
            world.problem(0),
            lane[1],
            edge,
            coupled=Coupled(setting=setting_of(world), slot_seconds=1.0, tick_s=(2e-4,)),
            target_s=0.05,
        )

    async def play(change_at: int) -> list[tuple[list[int], float, float]]:
        world = World([lane])
        edge = CoupledEdge(world, lane[0].frame_bits)
        one = learner(edge, world)
        await one.open(None)
        slots = []
        for slot in range(40):
            if slot == change_at:
                state = await one.checkpoint({})
                one = learner(edge, world)
                await one.open(state)
            world.advance()
            await one.begin_slot(slot, 200)
            decision = await one.end_slot(slot, edge.served())
            loss = 0.0 if decision.stats is None else decision.stats.loss
            slots.append((edge.held().tolist(), decision.queue_s, loss))
        return slots

    alone = run_virtual(play(-1))
    assert run_virtual(play(25)) == alone and any(loss for *_, loss in alone)


def test_a_failure_lets_the_slots_requests_go() -> None:
    lane = (presets.find("compact", ["capacity=25"]), 3)
    world = World([lane])
    edge = CoupledEdge(world, lane[0].frame_bits)
    learner = ReactiveLearner(
        policies.find("greedy"),
        world.problem(0),
        lane[1],
        edge,
        coupled=Coupled(setting=setting_of(world), slot_seconds=1.0),
        target_s=None,
    )
    learner.policy.plan = lambda record: 1 // 0  # type: ignore[method-assign, assignment]
    world.advance()
    with pytest.raises(PolicyFailed, match="policy greedy failed: ZeroDivisionError"):
        run_virtual(learner.begin_slot(0, 200))
    assert edge.plans == [SlotPlan(slot=0)]


def test_the_edges_step_is_its_profiles_at_the_usual_batch() -> None:
    meter = TickMeter((1.0, 1.5, 4.0))
    assert meter.step_s == 1.0
    for ticks, steps, expected in ((10, 20, 1.5), (10, 20, 1.5), (20, 45, 2.75)):
        meter.observe(_work(ticks, steps, 0.0))
        assert meter.step_s == pytest.approx(expected)
    unknown = TickMeter()
    unknown.observe(_work(10, 20, 5.0))
    assert unknown.step_s == 0.5


def _work(ticks: int, steps: int, busy_s: float) -> EdgeWork:
    return EdgeWork(at_s=0.0, busy_s=busy_s, ticks=ticks, steps=steps, queue=0, in_flight=0)
