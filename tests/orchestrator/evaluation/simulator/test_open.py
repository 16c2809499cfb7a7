"""Open catalogues: requests that no policy can touch, a fast path that is the interface, ceilings
in their order."""

from __future__ import annotations

import math

import numpy as np
import pytest

from midstep.errors import ScenarioError
from orchestrator import policies
from orchestrator.evaluation.simulator import lanes
from orchestrator.evaluation.simulator.open import simulate
from orchestrator.evaluation.simulator.presets import Preset, find
from orchestrator.evaluation.simulator.topics import open_stream
from orchestrator.policies import Policy, base
from orchestrator.policies.kinds.score_planner import Floats, Ids, ScorePlanner
from tests.orchestrator.live.tiny_policy import Tiny

SMALL = ["items=600", "users=4", "requests_per_user=15", "capacity=60"]
FULL = find("full", [*SMALL, "drift_swaps_per_slot=2.5"])
TOPICS = find("topics", [*SMALL, "topics.parts=[10, 5, 4, 3]", "topics.bursts_per_slot=0.1"])


class Anything(ScorePlanner):
    """Scores by chance, apart from what it counted."""

    name = "a-test-score"

    def observe(self, ids: Ids, counts: Ids, slot: int) -> None:
        pass

    def scores(self, ids: Ids, slot: int) -> Floats:
        return np.random.default_rng(slot).random(10_000)[ids]


@pytest.fixture(autouse=True)
def a_test_score(monkeypatch: pytest.MonkeyPatch) -> None:
    """The policy under its name, for one test."""
    monkeypatch.setitem(base._REGISTRY, "a-test-score", Anything)


@pytest.mark.parametrize("preset", [FULL, TOPICS], ids=["full", "topics"])
def test_draws_follow_the_rates_and_depend_on_the_seed_alone(preset: Preset) -> None:
    stream, again, other = (open_stream(preset, seed) for seed in (3, 3, 4))
    assert math.isclose(stream.current().sum(), 60)
    expected = np.zeros(600)
    drawn = np.zeros(600)
    differ = False
    for slot in range(400):
        items = stream.advance()
        np.testing.assert_array_equal(items, again.advance())
        differ |= (items != other.advance()).any()
        expected += stream.rates(slot)
        drawn += np.bincount(items, minlength=600)
    assert differ
    top = np.argsort(-expected)[:50]
    assert np.all(np.abs(drawn[top] - expected[top]) < 5 * np.sqrt(expected[top]))
    with pytest.raises(ValueError, match="the rates of slot 7 are not known"):
        stream.rates(7)


def test_the_law_drifts_as_fast_as_it_says() -> None:
    stream = open_stream(FULL, 1)
    stream.advance()
    moved = 0
    for _ in range(1000):
        before = stream.current().copy()
        stream.advance()
        moved += int((stream.current() != before).sum())
    assert abs(moved / 1000 - 600 * stream.hazard) < 0.3
    assert np.allclose(np.sort(stream.current()), np.sort(stream.ranks()))


def test_a_trend_of_one_part_lifts_all_prompts_that_have_it() -> None:
    stream = open_stream(
        find(
            "topics",
            [
                *SMALL,
                "topics.parts=[10, 5, 4, 3]",
                "topics.drift_swaps_per_slot=0",
                "topics.bursts_per_slot=0.05",
            ],
        ),
        2,
    )
    stream.advance()
    before = stream.current().copy()
    while np.allclose(stream.current(), before):
        stream.advance()
    lifted = {
        tuple(stream.prompt(int(i)).split()) for i in np.flatnonzero(stream.current() > 2 * before)
    }
    assert len(lifted) in (60, 120, 150, 200)  # 600 / size of the part's class
    assert len(set.intersection(*(set(parts) for parts in lifted))) == 1


@pytest.mark.parametrize(
    "name", ["lfu-decay", "informed", "bayes", "drc-item", "parts-ratio", "a-test-score"]
)
def test_the_fast_path_is_the_interface(name: str) -> None:
    preset = TOPICS if name in ("parts-ratio", "drc-item") else FULL
    slots = 40
    stream = open_stream(preset, 5)
    lane = lanes.open_lane(name, preset, stream, 5, [60, 20])
    fast = [lane.serve(stream.advance(), slot)[0] for slot in range(slots)]
    stream = open_stream(preset, 5)
    facts = lanes.problem(preset, stream, 60)
    policy = policies.find(name)()
    policy.reset(facts, 5)
    slow = lanes.PlannerLane(policy, stream, facts)
    for slot in range(slots):
        np.testing.assert_array_equal(slow.serve(stream.advance(), slot)[0], fast[slot])
        slow.driven.cache.check()
    assert np.concatenate(fast[10:]).any()


@pytest.mark.parametrize("name", ["drc", "greedy", "a-planner"])
def test_planners_of_every_kind_plan_for_the_open_model(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    planner = type("Planner", (Tiny,), {"name": "a-planner"})
    monkeypatch.setitem(base._REGISTRY, "a-planner", planner)
    few = ["items=60", "users=3", "requests_per_user=5", "capacity=10", "drift_swaps_per_slot=0"]
    preset = find("full", few)
    result = simulate(preset, [name, "none"], [1], 60, 20)
    assert result[name]["hit_ratio"][0] > 0.2 > result["none"]["hit_ratio"][0] == 0


def test_a_rule_acts_within_the_slot_but_hits_only_what_the_slot_began_with() -> None:
    preset = find("full", [*SMALL, "capacity=2"])
    stream = open_stream(preset, 0)
    facts = lanes.problem(preset, stream, 2)
    lru = policies.find("lru")()
    lru.reset(facts, 0)
    lane = lanes.RuleLane(lru, stream, facts)
    assert lane.serve(np.array([0, 0, 1]), 0).tolist() == [[False, False, False]]
    # 2 pushed 1 out
    assert lane.serve(np.array([0, 2, 1, 1]), 1).tolist() == [[True, False, False, False]]


def test_ceilings_stand_in_their_order() -> None:
    result = simulate(FULL, ["informed", "bayes", "lfu-decay", "random", "none"], [1, 2], 300, 100)
    hit = {name: np.mean(metrics["hit_ratio"]) for name, metrics in result.items()}
    assert hit["informed"] > hit["bayes"] > hit["lfu-decay"] > hit["random"] > hit["none"] == 0


def test_hits_pay_and_metrics_agree_with_each_other() -> None:
    done: list[float] = []
    result = simulate(FULL, ["informed", "none"], [1], 60, 20, done.append)
    assert done[-1] == 1 and done == sorted(done)
    assert result == simulate(FULL, ["none", "informed"], [1], 60, 20)
    good, none = ({k: v[0] for k, v in result[name].items()} for name in ("informed", "none"))
    assert good["response_per_request_ms"] < none["response_per_request_ms"]
    assert good["saved_vs_ncldc_ms"] > none["saved_vs_ncldc_ms"]
    assert none["hit_ratio"] == 0 < none["hit_ratio_in_slot"] < good["hit_ratio_in_slot"]
    assert good["p50_s"] < good["p95_s"] < good["p99_s"] < good["largest_s"]
    # the slowest of those who wanted the prompt
    assert good["response_ms"] > good["response_per_request_ms"]


def test_what_is_served_on_the_device_alone_is_no_hit_in_its_slot() -> None:
    """Requests that the serve guard sent home counted as hits in their slot."""
    faded = [*SMALL, "bandwidth_mhz=[5, 20]", "drift_swaps_per_slot=2.5"]
    guarded = simulate(find("full", faded), ["informed"], [1], 60, 20)["informed"]
    free = simulate(find("full", [*faded, "serve_guard=false"]), ["informed"], [1], 60, 20)
    # the guard sends hits home, and nothing that missed
    apart = guarded["hit_ratio_in_slot"][0] - guarded["hit_ratio"][0]
    assert apart == pytest.approx(
        free["informed"]["hit_ratio_in_slot"][0] - free["informed"]["hit_ratio"][0], abs=1e-12
    )
    assert guarded["hit_ratio"][0] < free["informed"]["hit_ratio"][0] - 0.1


@pytest.mark.parametrize(
    ("name", "setting", "message"),
    [
        ("topics", "topics.burst_slots=[100, 30]", r"topics.burst_slots: \[100, 30\] must be"),
        ("topics", "topics.burst_slots=[0, 3]", "0 < low <= high"),
        ("topics", "topics.parts=[10, 0]", "topics.parts"),
        ("full", "bandwidth_mhz=[-5, -1]", r"bandwidth_mhz: \[-5.0, -1.0\] must be"),
        ("full", "bandwidth_mhz=[0, 0]", "0 < low <= high"),
        ("compact", "bandwidth_mhz=[100, 80]", "0 < low <= high"),
        ("compact", "distance_m=[0, 10]", "distance_m: .* 0 < low <= high"),
        ("compact", "topics={}", "topics: prompts made of parts are of open catalogues"),
    ],
)
def test_a_preset_is_checked_as_a_scenario_is(name: str, setting: str, message: str) -> None:
    """These were accepted, and gave numbers, divisions by zero or a traceback."""
    with pytest.raises(ScenarioError, match=message):
        find(name, [setting])


def test_what_cannot_be_simulated_says_so() -> None:
    with pytest.raises(ScenarioError, match="edge shared and timing proactive"):
        simulate(find("full", ["edge=coupled"]), ["lru"], [1], 2, 1)
    with pytest.raises(ScenarioError, match="ncldc needs an edge that computes for planned"):
        simulate(FULL, ["ncldc"], [1], 2, 1)
    with pytest.raises(ScenarioError, match="finished pictures"):
        simulate(FULL, ["final"], [1], 2, 1)
    with pytest.raises(ScenarioError, match=r"topics: parts .* make 600 items, not 100000"):
        simulate(find("topics", ["topics.parts=[10, 5, 4, 3]"]), ["lru"], [1], 2, 1)
    with pytest.raises(ScenarioError, match="parts are known"):
        simulate(FULL, ["parts-ratio"], [1], 2, 1)
    with pytest.raises(ScenarioError, match="more than the 5"):
        simulate(FULL, ["lru"], [1], 5, 5)
    assert issubclass(policies.find("drc-item"), Policy)
