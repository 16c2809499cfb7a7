"""The learner of a coupled edge against the simulator: one seed is one world on both roads."""

from __future__ import annotations

import numpy as np
import pytest

from midstep.clock import run_virtual
from orchestrator import policies
from orchestrator.evaluation.simulator import presets
from orchestrator.evaluation.simulator.compare import _open, calibrate
from orchestrator.evaluation.simulator.world import World
from orchestrator.live.reactive_learner import Coupled, ReactiveLearner
from orchestrator.policies.kinds.price_planner import price_planner
from tests.orchestrator.live.coupled_edge import CoupledEdge, setting_of

SLOTS = 60


@pytest.mark.parametrize("name", ["greedy", "ncldc", "oo", "drc", "drc-item"])
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
            assert edge.steps(items.tolist()) == choice[items].tolist(), slot
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
