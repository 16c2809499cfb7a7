"""The slotted model over a closed catalogue: the world, the accounts, and one interface for one
lane and for many."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from midstep.errors import ScenarioError
from orchestrator import policies
from orchestrator.decision.slots import Choice, PricedSlots
from orchestrator.evaluation.simulator import presets
from orchestrator.evaluation.simulator.closed import Rollout, metrics
from orchestrator.evaluation.simulator.compare import calibrate, play_all
from orchestrator.evaluation.simulator.objects import objects
from orchestrator.evaluation.simulator.presets import Preset
from orchestrator.evaluation.simulator.world import World
from orchestrator.policies.greedy import Greedy
from orchestrator.policies.kinds.price_planner import price_planner

SMALL = presets.find("compact", ["items=30", "users=6", "requests_per_user=5", "capacity=8"])


def worlds(slots: int, *lanes: tuple[Preset, int]) -> World:
    world = World(lanes)
    for _ in range(slots):
        world.advance()
    return world


def test_a_lane_does_not_know_of_its_neighbours() -> None:
    other = SMALL.model_copy(update={"users": 9, "reusable_steps": 8, "capacity": 3})
    alone = worlds(70, (SMALL, 5))
    beside = worlds(70, (other, 1), (SMALL, 5), (SMALL, 6))
    assert (alone.count[0] == beside.count[1]).all()
    assert (alone.requests[0] == beside.requests[1, :6]).all()
    assert np.array_equal(alone.base_s[0], beside.base_s[1, :, :7])
    assert np.array_equal(alone.channel[0], beside.channel[1, :6])
    assert not (beside.count[1] == beside.count[2]).all()


def test_a_user_draws_distinct_prompts_and_the_popular_come_first() -> None:
    world = World([(SMALL.model_copy(update={"drift_swaps_per_slot": 0.0}), 3)])
    total = np.zeros(30)
    for _ in range(300):
        world.advance()
        assert all(len(set(row)) == 5 for row in world.requests[0].tolist())
        total += world.count[0]
    assert total[:5].min() > total[-5:].max()


@pytest.mark.parametrize("ghz", [1.5, 0.005, 1e-5])
def test_percentiles_follow_the_slowest_devices(ghz: float) -> None:
    """From 0.07 s to some hours a picture: p50 lies about the mean, p99 above it."""
    preset = SMALL.model_copy(update={"device_ghz": ghz})
    values = metrics(play_all([(preset, 1)], ["ncldc"], 40, 0, np.ones(1))["ncldc"])
    mean_s = values["response_per_request_ms"][0] / 1e3
    assert 0.8 * mean_s < values["p50_s"][0] < values["p95_s"][0] <= values["p99_s"][0]
    assert values["p50_s"][0] < 1.2 * mean_s


def test_a_percentile_beyond_the_histogram_is_not_a_number() -> None:
    preset = SMALL.model_copy(update={"device_ghz": 1e-9})
    values = metrics(play_all([(preset, 1)], ["ncldc"], 5, 0, np.ones(1))["ncldc"])
    assert np.isnan(values["p50_s"][0]) and values["response_per_request_ms"][0] > 1e9


def test_literal_asks_for_everything() -> None:
    world = worlds(2, (presets.find("literal"), 0))
    assert (world.count == 10).all() and world.tolerated.all()


def test_the_slowest_requester_prices_a_prompt() -> None:
    """(14), (15) from the requests, one by one."""
    world = worlds(3, (SMALL, 2))
    for r in np.flatnonzero(world.count[0]):
        askers = [u for u in range(6) if r in world.requests[0, u]]
        assert world.base_s[0, r, 0] == pytest.approx(max(20 * world.step_s[0, u] for u in askers))
        split = [world.transfer_s[0, u] + 14 * world.step_s[0, u] for u in askers]
        assert world.base_s[0, r, 6] == pytest.approx(max(split))
        assert np.isinf(world.base_s[0, r, 1])


def test_a_cached_step_saves_the_edges_part_and_leaves_the_average() -> None:
    world = worlds(1, (SMALL.model_copy(update={"tolerance": False}), 4))
    rollout = Rollout("fixed", None, world, np.array([0.05]))
    r = int(np.flatnonzero(world.count[0])[0])
    rollout.cached[0, r] = 6
    rollout._price()
    assert rollout.hit[0, r, 6] and not rollout.hit[0, r, 5]
    assert rollout.cost_s[0, r, 6] == pytest.approx(world.base_s[0, r, 6])  # O = 0: no edge term
    assert rollout.cost_s[0, r, 5] == pytest.approx(
        world.base_s[0, r, 5] + 5 * world.edge_step_s[0]
    )
    choice = np.zeros_like(rollout.cached)
    choice[0, r] = 6
    rollout._settle(choice, measure=True)
    missed = [s for s in np.flatnonzero(world.count[0]) if s != r]
    values = metrics(rollout)
    assert values["latency_avg_ms"][0] == pytest.approx(1e3 * world.base_s[0, missed, 0].mean())
    assert values["hit_ratio"][0] == pytest.approx(world.count[0, r] / world.count[0].sum())
    assert rollout.queue_s[0] == pytest.approx(max(0.0, world.base_s[0, missed, 0].mean() - 0.05))


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000), st.integers(0, 12))
def test_capacity_and_the_queue_hold_whatever_is_decided(seed: int, capacity: int) -> None:
    """(10), (11), (23) under random choices."""
    rng = np.random.default_rng(seed)
    world = World([(SMALL.model_copy(update={"capacity": capacity}), seed)])

    def anything(slots: PricedSlots) -> Choice:
        choice = np.zeros((1, 30), np.int8)
        requested = np.flatnonzero(slots.weight[0])
        some = rng.permutation(requested)[:capacity]
        choice[0, some] = rng.choice([0, 2, 3, 6], len(some))
        return choice

    rollout = Rollout("anything", anything, world, np.array([0.06]))
    before = 0.0
    for _ in range(30):
        world.advance()
        choice = rollout.slot(measure=False, gap=False)
        assert (rollout.cached[0] > 0).sum() <= capacity
        requested = world.count[0] > 0
        assert (rollout.cached[0, requested] == choice[0, requested]).all()
        cost_s = np.take_along_axis(rollout.cost_s[0], choice[0, :, None].astype(int), 1)[:, 0]
        hit = np.take_along_axis(rollout.hit[0], choice[0, :, None].astype(int), 1)[:, 0]
        missed = cost_s[requested & ~hit]
        before = max(before + (missed.mean() if missed.size else 0.0) - 0.06, 0.0)
        assert rollout.queue_s[0] == pytest.approx(before)


def test_what_is_not_asked_for_stays_while_there_is_room_and_the_oldest_leaves_first() -> None:
    world = worlds(1, (SMALL.model_copy(update={"capacity": 3}), 0))
    rollout = Rollout("fixed", None, world, np.array([1.0]))
    requested = np.flatnonzero(world.count[0])
    idle = np.flatnonzero(world.count[0] == 0)[:3]
    rollout.cached[0, idle] = 6
    rollout.last_use[0, idle] = [-5, -9, -7]
    choice = np.zeros_like(rollout.cached)
    choice[0, requested[:2]] = 6
    rollout._price()
    rollout._settle(choice, measure=False)
    assert np.flatnonzero(rollout.cached[0]).tolist() == sorted(
        [int(idle[0]), *requested[:2].tolist()]
    )


def one_lane(
    name: str, seed: int, slots: int, target: float
) -> tuple[list[list[int]], dict[str, float]]:
    """Through accesses, prices and cache updates, as the interface has it."""
    world = World([(SMALL, seed)])
    rollout = objects(name, policies.find(name), world, [seed], np.array([target]))
    rollout.guarded = False
    choices = []
    for slot in range(slots):
        world.advance()
        choices.append(rollout.slot(measure=True, gap=slot % 5 == 0)[0].tolist())
    return choices, {metric: float(values[0]) for metric, values in metrics(rollout).items()}


def as_lanes(name: str, slots: int, target: float) -> tuple[list[list[int]], dict[str, float]]:
    world = World([(SMALL, 8), (SMALL, 9)])
    planner = price_planner(policies.find(name)())
    assert planner is not None
    planner.open([world.problem(b) for b in range(2)], [8, 9])
    rollout = Rollout(name, planner.decide, world, np.full(2, target))
    choices = []
    for slot in range(slots):
        world.advance()
        choices.append(rollout.slot(measure=True, gap=slot % 5 == 0)[1].tolist())
        planner.learn()
    return choices, {metric: float(values[1]) for metric, values in metrics(rollout).items()}


@pytest.mark.parametrize("name", ["greedy", "oo", "ncldc", "drc", "drc-item"])
def test_the_interface_and_the_lanes_decide_alike(name: str) -> None:
    choices, values = one_lane(name, 9, 40, 0.058)
    same, numbers = as_lanes(name, 40, 0.058)
    assert choices == same
    assert values == pytest.approx(numbers, nan_ok=True)
    assert name == "ncldc" or any(map(any, choices))


@pytest.mark.parametrize("timing", ["reactive", "proactive"])
@pytest.mark.parametrize("name", ["lru", "lfu-decay", "s3-fifo"])
def test_rules_keep_within_the_places(name: str, timing: str) -> None:
    preset = SMALL.model_copy(update={"timing": timing})
    rollouts = play_all([(preset, 1), (preset, 2)], [name], 40, 10, np.full(2, 0.06))
    values = metrics(rollouts[name])
    assert (rollouts[name].cached > 0).sum(1).max() <= 8
    assert (values["hit_ratio"] > 0.05).all() and (values["reduction_vs_ncldc"] > 0).all()


def test_the_gap_is_1_for_nothing_and_0_for_exact() -> None:
    rollouts = play_all([(SMALL, 1)], ["ncldc", "greedy", "drc"], 60, 10)
    gap = {name: float(metrics(rollout)["gap_to_exact"][0]) for name, rollout in rollouts.items()}
    assert gap["ncldc"] == pytest.approx(1.0) and gap["greedy"] == pytest.approx(0.0, abs=1e-9)
    assert 0 <= gap["drc"] < 0.5


def test_the_target_is_a_little_below_what_greedy_reaches() -> None:
    target = calibrate([(SMALL, 1)], 200)
    world = World([(SMALL, 1)])
    rollout = Rollout("greedy", Greedy().decide, world, np.zeros(1))
    rollout.frozen = True
    for _ in range(200):
        world.advance()
        rollout.slot(measure=True, gap=False)
    assert 1e3 * target[0] == pytest.approx(0.993 * metrics(rollout)["latency_avg_ms"][0])
    assert calibrate([(SMALL.model_copy(update={"latency_target_ms": 50.0}), 1)], 9)[
        0
    ] == pytest.approx(0.05)


def test_a_hindsight_gap_knows_a_better_plan() -> None:
    preset = SMALL.model_copy(update={"timing": "proactive", "edge": "shared"})
    rollouts = play_all([(preset, 1)], ["none", "lfu-decay"], 80, 20, np.array([0.05]))
    gap = {name: float(metrics(rollout)["gap_to_exact"][0]) for name, rollout in rollouts.items()}
    assert gap["none"] == pytest.approx(1.0)
    assert 0 < gap["lfu-decay"] < 0.9


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: presets.find("compactt"), "'compactt'; did you mean compact\\? There is literal"),
        (lambda: presets.find("my.yaml"), "there is no such file as my.yaml; presets are literal"),
        (lambda: presets.find("compact", ["capacty=3"]), "--set capacty=3: write KEY=VALUE"),
        (lambda: presets.find("compact", ["users=0"]), "compact: users:"),
        (lambda: presets.find("compact", ["requests_per_user=101"]), "cannot ask for 101 distinct"),
        (
            lambda: presets.find("compact", ["topics.sigma=1"]),
            "topics is no part of preset compact",
        ),
        (lambda: presets.find("compact", ["topics=[1"]), "the value is not YAML"),
        (
            lambda: presets.find("compact", ["distinct=false"]),
            "are of edge shared and timing proactive alone",
        ),
        (
            lambda: presets.find("compact", ["steps=200", "reusable_steps=150"]),
            "less than or equal to 127",
        ),
        (
            lambda: play_all([(SMALL, 0)], ["bayes"], 5, 0),
            "bayes cannot plan for requests that are seen already",
        ),
    ],
)
def test_bad_input_gets_one_line(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ScenarioError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_hindsight_is_never_beaten() -> None:
    """At S* = 9 a held output is of no use in a fifth of the slots: exact must know the same way
    out as the policy."""
    preset = presets.find(
        "compact",
        ["timing=proactive", "capacity=100", "reusable_steps=9", "split_step=9", "users=6"],
    )
    rollout = play_all([(preset, 0)], ["lru"], 60, 10)["lru"]
    assert float(metrics(rollout)["gap_to_exact"][0]) >= -1e-9
