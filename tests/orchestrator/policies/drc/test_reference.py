"""The fast DRC against the one that is written beside Algorithm 1: the same decisions, slot by
slot, with the same weights, noise and memory; and an error planted in the fast one is caught."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch

from orchestrator.decision.slots import PricedSlots
from orchestrator.evaluation.simulator.closed import Rollout
from orchestrator.evaluation.simulator.presets import find
from orchestrator.evaluation.simulator.world import World
from orchestrator.policies.drc import actor
from orchestrator.policies.drc.policy import Drc
from orchestrator.policies.drc.reference import ReferenceDrc

PRESET = find(
    "compact", ["items=30", "users=8", "requests_per_user=6", "capacity=8", "distance_m=[120, 500]"]
)
LANES = [(PRESET, 5), (PRESET, 6)]
TIGHT_S = 0.0615  # Q grows, so that the ratio of (33) matters
SLOTS = 60


def lane(slots: PricedSlots, b: int) -> PricedSlots:
    lanes = {n: v if v is None else v[b : b + 1] for n, v in vars(slots).items()}
    return PricedSlots(**lanes)


@dataclass
class Trace:
    """What two lanes did over the slots."""

    fast: Drc
    plain: list[ReferenceDrc]
    same: list[bool]  # a slot's decision in a lane
    k: list[bool]
    relaxed: float  # the largest difference between the networks' answers
    losses: list[tuple[float, float]]
    queue_s: float
    outputs: int


def play(plant: Callable[[Drc], None] = lambda drc: None, same_network: bool = False) -> Trace:
    """Both over the same slots; `same_network` lets the reference decide by the fast one's relaxed
    numbers, so that nothing is left to float32."""
    world = World(LANES)
    seeds = [int(seed) for seed in world.seeds]
    fast = Drc()
    fast.open([world.problem(b) for b in range(world.size)], seeds)
    plant(fast)
    plain = [ReferenceDrc(PRESET.items, PRESET.users, seed) for seed in seeds]
    trace = Trace(fast, plain, [], [], 0.0, [], 0.0, 0)

    def decide(slots: PricedSlots) -> Any:
        relaxed = fast.actor.network.relax(fast.actor.state(slots))
        plans = []
        for b, one in enumerate(plain):
            own = lane(slots, b)
            state = one.state(own)
            numbers = one.relax(state)
            trace.relaxed = max(trace.relaxed, float(np.abs(relaxed[b] - numbers).max()))
            if same_network:
                numbers = relaxed[b].astype(np.float64).tolist()
            plans.append(one.choose(numbers, own))
            one.remember(state, np.array([step > 0 for step in plans[-1]], np.float32))
        choice = fast.decide(slots)
        trace.same += [bool((choice[b] == plans[b]).all()) for b in range(len(plain))]
        trace.k += [int(fast.actor.k[b]) == one.k for b, one in enumerate(plain)]
        trace.outputs += int((choice > 0).sum())
        return choice

    rollout = Rollout("drc", decide, world, np.full(world.size, TIGHT_S))
    for _ in range(SLOTS):
        world.advance()
        rollout.slot(measure=False, gap=False)
        stats = fast.learn()
        losses = [one.learn() for one in plain]
        if stats is not None:
            trace.losses.append((stats.loss, float(np.mean([x for x in losses if x is not None]))))
        trace.queue_s = max(trace.queue_s, float(rollout.queue_s.min()))
    return trace


def test_the_same_numbers_are_decided_upon_alike() -> None:
    """Candidates, critic, exploration, K and memory, number for number."""
    trace = play(same_network=True)
    assert all(trace.same) and all(trace.k)
    memory = trace.fast.actor.memory
    for b, one in enumerate(trace.plain):
        states, labels = (np.array(column) for column in zip(*one.memory, strict=True))
        np.testing.assert_array_equal(memory.states[b, :SLOTS], states)
        np.testing.assert_array_equal(memory.labels[b, :SLOTS], labels)
    assert trace.queue_s > 0 and trace.outputs > SLOTS, "Q stayed 0 or nothing was kept"


def test_the_whole_algorithm_goes_the_same_way() -> None:
    """Each with its own network, from the same seed: within float32, training included."""
    trace = play()
    assert trace.relaxed < 1e-5
    assert len(trace.losses) == 5  # slots 20, 30, .. 60
    for loss, plain in trace.losses:
        assert loss == pytest.approx(plain, rel=1e-5)
    for b, one in enumerate(trace.plain):
        parameters = trace.fast.actor.network.parameters
        for layer, weight, bias in zip(one.layers, parameters[::2], parameters[1::2], strict=True):
            torch.testing.assert_close(weight[b].T, layer.weight, atol=1e-5, rtol=0)
            torch.testing.assert_close(bias[b, 0], layer.bias, atol=1e-5, rtol=0)
    assert np.mean(trace.same) > 0.95  # two scores within float32 of each other may change places


def fewer_rankings(drc: Drc) -> None:
    drc.rankings -= 1


def less_noise(drc: Drc) -> None:
    drc.noise *= 0.9


def another_seed(drc: Drc) -> None:
    drc.actor.seeds = drc.actor.seeds + 1


def one_candidate(drc: Drc) -> None:
    drc.actor.k[:] = 1


def labels_of_everything(drc: Drc) -> None:
    drc.actor.labels = lambda choice: np.ones(choice.shape, np.float32)  # type: ignore[method-assign]


@pytest.mark.parametrize("plant", [fewer_rankings, less_noise, another_seed, one_candidate])
def test_an_error_in_the_decision_is_caught(plant: Callable[[Drc], None]) -> None:
    trace = play(plant, same_network=True)
    assert not (all(trace.same) and all(trace.k))


def test_an_error_in_the_memory_is_caught() -> None:
    trace = play(labels_of_everything)
    assert trace.relaxed > 1e-3 or abs(trace.losses[0][0] - trace.losses[0][1]) > 1e-3


def test_an_error_in_the_state_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(actor, "DEMAND_SCALE", 2.9)
    assert play().relaxed > 1e-3
