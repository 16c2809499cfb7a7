"""A request's life in the simulator, by hand: the edge's ticks, link and device in turn, what is
refused."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from midstep.diffusion.profile import StepProfile
from midstep.draws import GAIN, SPEED, uniform
from midstep.errors import PolicyFailed, ScenarioError
from midstep.radio import channel_law, physics
from midstep.radio.fading import specs
from midstep.scenario import Scenario
from midstep.scenario_file import load, parse
from midstep.wire.messages_control import CachedOutput, CacheUpdate, Targets
from orchestrator.evaluation.simulator.events import refusals, simulate
from orchestrator.evaluation.simulator.events.edge_queue import EdgeQueue
from orchestrator.evaluation.simulator.events.trajectory import Trajectory
from orchestrator.policies import Policy, SlotRecord
from tests import paced

PROFILE = StepProfile({1: 0.010, 2: 0.012}, encode_s=0.003)


def trajectory(key: str, steps: int = 2) -> Trajectory:
    """From noise, for nobody in particular."""
    output = CachedOutput(key, key, 0, 1)
    return Trajectory(output=output, original=True, target=0, queued_s=0.0, step=0, until=steps)


def ready(queue: EdgeQueue, now_s: float) -> list[Trajectory]:
    """End a tick; who is where he wants to be is over."""
    batch = queue.end(now_s)
    for one in batch:
        one.step += 1
        one.over = one.over or one.step == one.until
    return [one for one in batch if one.over]


def test_a_tick_advances_all_in_flight_and_trajectories_enter_between_ticks() -> None:
    queue = EdgeQueue(PROFILE, max_batch=2, limit=2)
    first, second, third, fourth = (trajectory(key) for key in "abcd")
    assert queue.enter(first)
    assert queue.begin(1.0) == pytest.approx(0.010 + 0.003)
    assert queue.enter(second) and queue.enter(third)
    assert not queue.enter(fourth)  # two wait already
    assert ready(queue, 1.013) == []
    assert queue.begin(1.013) == pytest.approx(0.012 + 0.003)  # b enters, c finds no room
    assert (queue.waiting, queue.in_flight) == (1, 2)
    assert ready(queue, 1.028) == [first]
    assert second.started_s == 1.013
    third.over = True
    queue.drop(third)
    assert queue.begin(1.028) == pytest.approx(0.010)  # c is gone: b is alone, and encoded
    assert ready(queue, 1.038) == [second]
    assert queue.begin(1.038) is None and not queue.ticking
    work = queue.work(2.0)
    assert (work.ticks, work.steps, work.busy_s) == (3, 4, pytest.approx(0.038))


def test_what_nobody_waits_for_leaves_the_batch_at_the_next_tick() -> None:
    queue = EdgeQueue(PROFILE, max_batch=2, limit=9)
    first, second = trajectory("a"), trajectory("b")
    queue.enter(first)
    queue.enter(second)
    assert queue.begin(0.0) == pytest.approx(0.012 + 2 * 0.003)
    first.over = second.over = True
    queue.drop(first)
    queue.drop(second)
    assert queue.in_flight == 2  # their tick goes on
    queue.end(0.018)
    assert queue.begin(0.018) is None


def test_a_devices_link_and_processor_do_one_thing_after_the_other() -> None:
    """One device asks twice a second for what takes it three: each frame waits for the last one's
    last bit, each picture for the last picture, and bits and steps add up over the slots."""
    scenario = alone(workload={"arrivals": {"poisson": {"per_user_per_minute": 120}}})
    rows = sorted(simulate(scenario).requests, key=lambda row: str(row["request_id"]))
    rows = [row for row in rows if row["result"] == "done"]
    assert len(rows) > 5
    assert max(row["device_wait_s"] for row in rows) > 3 < max(row["device_s"] for row in rows)
    for before, row in itertools.pairwise(rows):
        sent_before, ended_before = sent(before), ended(before)
        answered = row["arrived_s"] + row["queue_s"] + row["edge_s"]
        assert row["transfer_wait_s"] == pytest.approx(max(0.0, sent_before - answered), abs=1e-9)
        assert row["device_wait_s"] == pytest.approx(max(0.0, ended_before - sent(row)), abs=1e-9)
    spec = specs(scenario)[0]
    gain = float(channel_law.mean_gain(scenario.channel, spec.distance_m))
    for row in rows:
        begins = sent(row) - row["transfer_s"] + row["transfer_wait_s"]
        bits = summed(
            begins,
            sent(row),
            lambda slot: physics.rate_bps(
                spec.bandwidth_hz,
                scenario.channel.power_w,
                gain * float(channel_law.fade(scenario.channel, uniform(7, GAIN, slot, 0))),
                scenario.channel.noise_w,
            ),
        )
        assert bits == pytest.approx(8 * 500_000, rel=1e-9)
        steps = summed(
            sent(row) + row["device_wait_s"],
            ended(row),
            lambda slot: 0.075 * (0.7 + 0.3 * uniform(7, SPEED, slot, 0)),
        )
        assert steps == pytest.approx(14 * 0.010 + 0.005, rel=1e-9)  # tests.paced.PROFILE


def test_who_is_rejected_asks_again_a_second_and_a_pause_later() -> None:
    scenario = parse(
        paced.tree(
            policy={"name": "none"},
            duration_s=4,
            edges=[{"capacity": "64KiB", "queue_limit": 1, "max_batch": 1}],
            workload={"catalogue_size": 200, "arrivals": {"closed": {"think_s": 0.01}}},
            devices=[{"count": 8}],
        )
    )
    rows = sorted(simulate(scenario).requests, key=lambda row: str(row["request_id"]))
    rejected = 0
    for row, after in itertools.pairwise(rows):
        if row["result"] == "rejected" and after["user"] == row["user"]:
            assert row["error"] == "the queue is full: 1 requests wait, the limit is 1"
            assert 1.0 <= after["arrived_s"] - row["arrived_s"] < 1.2
            rejected += 1
    assert rejected > 5


def test_a_private_output_serves_its_user_alone() -> None:
    settings = {"catalogue_size": 1, "plain_share": 1.0, "private_share": 0.5}
    rows = simulate(parse(paced.tree(policy={"name": "lru"}, workload=settings))).requests
    own = [row for row in rows if row["reuse"] == "computed"]
    assert len(own) > 5  # of one prompt, which is computed once for all others
    assert len({row["prompt_key"] for row in own}) == len(own)
    assert sum(row["reuse"] == "exact" for row in rows) > 5


def test_a_list_of_prompts_is_asked_for_once_and_ends_the_run(tmp_path: Path) -> None:
    (tmp_path / "prompts.txt").write_text("a cat\n\na dog\na cat\na hen\n")
    workload = {"prompts": str(tmp_path / "prompts.txt")}
    scenario = parse(paced.tree(policy={"name": "lru"}, workload=workload))
    simulated = simulate(scenario)
    assert sorted(row["prompt"] for row in simulated.requests) == [
        "", "a cat", "a cat", "a dog", "a hen"
    ]  # fmt: skip
    empty = next(row for row in simulated.requests if not row["prompt"])
    assert (empty["result"], empty["error"]) == ("rejected", "the prompt is empty")
    assert len(simulated.slots) < 10  # of 30


def test_a_store_holds_what_the_models_outputs_leave_room_for(tmp_path: Path) -> None:
    """Every output was taken for 8,192 bytes, whatever the model."""
    path = tmp_path / "large.json"
    replace(paced.PROFILE, frame_bytes=65536).save(path)
    scenario = load(
        "saturated",
        [
            f"model.profile={path}",
            "channel.frame_bytes=null",
            "edges.0.capacity=500KB",
            "policy.name=lru",
            "duration_s=10s",
        ],
    )
    simulated = simulate(scenario)
    assert max(slot["store_entries"] for slot in simulated.slots) == 500_000 // 65536
    assert {row["frame_bytes"] for row in simulated.requests} == {65536}


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("model.profile=null", "^model.profile: a simulation needs measured step times"),
        ("channel.total_mhz=90", "^channel.total_mhz: the simulator does not have it"),
        ("devices.0.parallel=true", "^devices.0.parallel: the simulator does not have it"),
        ("devices.0.battery_j=5", "^devices.0.battery_j: the simulator does not have it"),
        ("edges.0.capacity=8000", "^edges.N.capacity of edge-0: 8000 bytes cannot hold one output"),
        ("policy.name=bayes", "^policy.name: bayes needs the true request rates"),
        ("workload.prompts=nowhere.txt", "^workload.prompts: nowhere.txt"),
        ("cut.rule=deepest", "^cut.rule: there is no rule deepest"),
        ("reuse.table=nowhere.json", "^reuse.table: no file nowhere.json"),
    ],
)
def test_what_cannot_be_simulated_is_said_in_one_line(setting: str, message: str) -> None:
    with pytest.raises(ScenarioError, match=message) as error:
        simulate(load("saturated", ["modes={wire: inprocess}", setting]))
    assert "\n" not in str(error.value)


def test_a_coupled_scenario_is_left_to_the_closed_model() -> None:
    with pytest.raises(ScenarioError, match=r"^modes\.edge: by discrete events the edge is shared"):
        simulate(load("paper"))


@pytest.mark.parametrize(
    ("tree", "key", "path"),
    [
        ("Arrivals", "poisson", "workload.arrivals.poisson"),
        ("Devices", "speed_ratio", "devices.0.speed_ratio"),
        ("Scenario", "deadline_s", "deadline_s"),
    ],
)
def test_a_key_that_the_simulator_does_not_know_is_refused_by_its_name(
    tree: str, key: str, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key that somebody adds to the scenario is not passed over in silence."""
    known = " ".join(name for name in refusals.KNOWN[tree].split() if name != key)
    monkeypatch.setitem(refusals.KNOWN, tree, known)
    settings = ["devices.0.speed_ratio=0.1", "deadline_s=9s"]
    with pytest.raises(ScenarioError, match=rf"^{path}: the simulator does not have it"):
        simulate(load("saturated", settings))


def test_a_policy_that_fails_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise ZeroDivisionError("by hand")

    monkeypatch.setattr("orchestrator.policies.lru.Lru.on_access", fails)
    with pytest.raises(
        PolicyFailed, match="policy lru failed: ZeroDivisionError: by hand"
    ) as error:
        simulate(alone())
    assert "Traceback" in error.value.traceback


@pytest.mark.parametrize(
    ("step", "key", "why"),
    [
        (21, None, ": the model has steps 1 to 20"),
        (0, None, ": the model has steps 1 to 20"),
        (5, "f" * 32, ", which nobody has asked for"),
    ],
)
def test_a_plan_that_no_edge_can_follow_is_refused(
    step: int, key: str | None, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def plan(_: Policy, slot: SlotRecord) -> CacheUpdate:
        known = [access.prompt_key for access in slot.accesses]
        return CacheUpdate(targets=Targets(tuple((key or k, step) for k in known)))

    monkeypatch.setattr("orchestrator.policies.drc_item.policy.DrcItem.plan", plan)
    scenario = parse(paced.tree(policy={"name": "drc-item"}, duration_s=8))
    with pytest.raises(PolicyFailed, match=f"^policy drc-item planned step {step} of .*{why}$"):
        simulate(scenario)


def alone(**changes: Any) -> Scenario:
    """One device in a small world."""
    return parse(
        paced.tree(policy={"name": "lru"}, devices=[{"count": 1}], duration_s=8, **changes)
    )


def sent(row: dict[str, Any]) -> float:
    return float(row["arrived_s"] + row["queue_s"] + row["edge_s"] + row["transfer_s"])


def ended(row: dict[str, Any]) -> float:
    return float(row["arrived_s"] + row["total_s"])


def summed(start_s: float, end_s: float, rate: Any) -> float:
    """The integral of a rate that is constant within each second."""
    total = 0.0
    for slot in range(int(start_s), int(end_s) + 1):
        total += max(0.0, min(end_s, slot + 1) - max(start_s, slot)) * float(rate(slot))
    return total
