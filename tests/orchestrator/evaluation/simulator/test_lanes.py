"""Learners with a lane axis: a lane in a batch is the lane alone, a state that is loaded goes on, a
seed is a run."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from orchestrator import policies
from orchestrator.evaluation.simulator.closed import Rollout
from orchestrator.evaluation.simulator.compare import Lane
from orchestrator.evaluation.simulator.presets import find
from orchestrator.evaluation.simulator.world import World
from orchestrator.policies.kinds.network_planner import NetworkPlanner
from orchestrator.policies.kinds.price_planner import price_planner

LEARNERS = ["drc", "drc-paper", "dnn", "drc-item"]
SMALL = ["items=30", "requests_per_user=6"]
LANES: list[Lane] = [
    (find("compact", [*SMALL, "users=12", "capacity=10"]), 3),
    (find("compact", [*SMALL, "users=5", "capacity=4", "reusable_steps=8"]), 1),
    (find("compact", [*SMALL, "users=8", "capacity=7", "zipf=1.2", "weight_v=0.5"]), 2),
]
TARGET_S = 0.057  # about what greedy reaches: Q is above 0 now and then
# slots: all have been trained, and drc's pool holds more than a batch of 128, so that dice matter
LONG = 140


class Run:
    """A learner in some lanes, slot by slot."""

    def __init__(self, name: str, lanes: Sequence[Lane]) -> None:
        self.name = name
        self.world = World(lanes)
        self.learner = self.open()
        self.rollout = Rollout(name, self.learner.decide, self.world, np.full(len(lanes), TARGET_S))
        self.rollout.guarded = self.learner.guarded
        self.losses: list[float] = []

    def open(self) -> NetworkPlanner:
        learner = price_planner(policies.find(self.name)())
        assert isinstance(learner, NetworkPlanner)
        learner.open(
            [self.world.problem(b) for b in range(self.world.size)],
            [int(s) for s in self.world.seeds],
        )
        return learner

    def slots(self, slots: int) -> NDArray[np.int8]:
        """The choices (slots, B, R) of that many slots, trained after each."""
        choices = []
        for _ in range(slots):
            self.world.advance()
            choices.append(self.rollout.slot(measure=False, gap=False).copy())
            stats = self.learner.learn()
            if stats is not None:
                self.losses.append(stats.loss)
        return np.array(choices)

    def until_trained(self) -> None:
        for _ in range(LONG):
            self.slots(1)
            if self.losses:
                return
        raise AssertionError("never trained")


@pytest.mark.parametrize("name", LEARNERS)
def test_a_lane_in_a_batch_chooses_as_it_would_alone(name: str) -> None:
    together = Run(name, LANES)
    side = together.slots(40)
    assert (side > 0).any(axis=(0, 2)).all(), "nothing was ever kept: nothing is compared"
    for b, lane in enumerate(LANES):
        np.testing.assert_array_equal(Run(name, [lane]).slots(40)[:, 0], side[:, b])


@pytest.mark.parametrize("name", LEARNERS)
def test_a_lane_in_a_batch_learns_as_it_would_alone(name: str) -> None:
    together = Run(name, LANES)
    start = [p.detach().numpy().copy() for p in together.learner.actor.network.parameters]
    together.until_trained()
    losses = []
    for b, lane in enumerate(LANES):
        alone = Run(name, [lane])
        alone.until_trained()
        losses.append(alone.losses[0])
        pairs = zip(
            together.learner.actor.network.parameters,
            alone.learner.actor.network.parameters,
            strict=True,
        )
        for i, (ours, own) in enumerate(pairs):
            weight = ours.detach().numpy()[b]
            single = own.detach().numpy()[0]
            into, out = single.shape
            assert np.abs(weight[:into, :out] - start[i][b, :into, :out]).max() > 5e-4, "it learned"
            np.testing.assert_allclose(weight[:into, :out], single, atol=1e-5, rtol=0)
            assert not weight[into:].any() and not weight[:, out:].any(), "padding stays 0"
    assert together.losses[0] == pytest.approx(float(np.mean(losses)), abs=1e-5)


@pytest.mark.parametrize("name", LEARNERS)
def test_a_loaded_state_goes_on_as_the_one_that_was_saved(name: str) -> None:
    run = Run(name, LANES)
    run.slots(LONG)
    other = run.open()
    other.load_state_dict(run.learner.state_dict())
    losses: list[float] = []
    trained = len(run.losses)
    for _ in range(25):
        run.world.advance()
        run.rollout._price()
        view = run.rollout.view()
        theirs = other.decide(view)
        np.testing.assert_array_equal(run.rollout.slot(measure=False, gap=False), theirs)
        for learner, series in ((run.learner, run.losses), (other, losses)):
            stats = learner.learn()
            if stats is not None:
                series.append(stats.loss)
    assert losses and losses == run.losses[trained:]


@pytest.mark.parametrize("name", LEARNERS)
def test_a_seed_is_a_run(name: str) -> None:
    first = Run(name, LANES[:1])
    again = Run(name, LANES[:1])
    np.testing.assert_array_equal(first.slots(LONG), again.slots(LONG))
    assert first.losses and first.losses == again.losses
    other = Run(name, [(LANES[0][0], 99)])
    assert (other.slots(20) != Run(name, LANES[:1]).slots(20)).any()
