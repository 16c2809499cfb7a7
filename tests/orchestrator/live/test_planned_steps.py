"""Plans that name steps: they reach the edge, stay within what was asked for, and a bad one is one
line."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.slots import Wish, play_slot
from edge_node.cut import FixedStep, Planned, open_rule
from edge_node.edge import Edge
from midstep.errors import PolicyFailed, ScenarioError
from midstep.scenario_file import parse
from midstep.wire.messages_control import CacheUpdate, EdgeWork, Targets
from orchestrator import policies
from orchestrator.decision.cache_model import CacheModel
from orchestrator.decision.problem import Problem, Served
from orchestrator.decision.step_times import StepTimes
from orchestrator.live import checkpoint
from orchestrator.live.edge_client import KEYS, parts
from orchestrator.live.learner import Learner
from orchestrator.live.setting import resolve_cut_rule, run_problem
from orchestrator.live.updates import merge
from orchestrator.policies.base import Policy, SlotRecord
from tests import paced
from tests.edge_node.world import FRAME, ask, with_edge

PLANNERS = ("drc", "drc-paper", "dnn", "oo", "greedy", "drc-item", "lfu-decay")
TICKS = (0.010, 0.012, 0.014, 0.016)
TIMES = StepTimes(tick_s=TICKS, decode_s=0.005, air_bits=8000.0, bandwidth_hz=(1e6, 1e6))
PROBLEM = Problem(
    3 * FRAME,
    10,
    6,
    frame_bytes=FRAME,
    reusable_steps=10,
    items=8,
    users=2,
    times=TIMES,
    cut_rule="planned",
)


def scenario(**changes: Any) -> Any:
    return parse(paced.tree(**changes))


@pytest.mark.parametrize(
    ("policy", "rule", "resolved"),
    [
        ("drc", "auto", "planned"),
        ("drc-item", "auto", "planned"),
        ("lru", "auto", "considerate"),
        ("final", "auto", "fixed"),
        ("lru", "limit", "limit"),
        ("drc", "fixed", "fixed"),
    ],
)
def test_auto_is_planned_where_the_policy_plans_steps(
    policy: str, rule: str, resolved: str
) -> None:
    run = scenario(policy={"name": policy}, cut={"rule": rule})
    assert resolve_cut_rule(run) == resolved
    problem = run_problem(run, 8192)
    assert (problem.times is None) == (resolved == "fixed")
    if problem.times is not None:
        assert problem.last_step == 20 and len(problem.times.bandwidth_hz) == 4


def test_where_the_edge_makes_whole_pictures_the_policy_is_told_so() -> None:
    model = {**paced.tree()["model"], "split_step": 20}
    run = scenario(policy={"name": "drc"}, cut={"rule": "planned"}, model=model)
    assert isinstance(open_rule(run, 20), FixedStep)
    problem = run_problem(run, 8192)
    assert (problem.cut_rule, problem.times, problem.last_step) == ("fixed", None, 20)


def test_planned_needs_a_policy_that_plans_steps() -> None:
    with pytest.raises(ScenarioError, match=r"cut\.rule: planned needs a policy .* lru does not"):
        resolve_cut_rule(scenario(policy={"name": "lru"}, cut={"rule": "planned"}))


class Fixed(Policy):
    """Names these targets, whatever happens."""

    name = "fixed-targets"
    plans_steps = True
    targets: tuple[tuple[str, int], ...] = ()

    def plan(self, slot: SlotRecord) -> CacheUpdate:
        key = slot.accesses[0].prompt_key
        steps = tuple((key if name == "it" else name, step) for name, step in self.targets)
        return CacheUpdate(targets=Targets(steps, 0.0))


def learner(edge: Edge, *targets: tuple[str, int]) -> Learner:
    def make() -> Policy:
        policy = Fixed()
        policy.targets = targets
        return policy

    return Learner(make, PROBLEM, 7, edge, by_slot=False, target_s=1.0)


async def first_slot(edge: Edge, part: Learner, limit: int) -> int:
    """Ask for one prompt, end the slot, ask again: where it is cut then."""
    part.start()
    await asyncio.sleep(0.001)
    await edge.obtain(ask(edge, limit=limit), 10)
    await asyncio.sleep(0.001)
    try:
        await part.end_slot(0, [Served("a", False, 1.0)])
        return (await edge.obtain(ask(edge, limit=limit), 10)).frame.step
    finally:
        await part.close()


def test_a_target_reaches_the_edge_and_is_cut_there_within_the_limit() -> None:
    def cut(limit: int) -> int:
        async def use(edge: Edge) -> int:
            return await first_slot(edge, learner(edge, ("it", 4)), limit)

        return with_edge(use, rule=Planned(6))

    assert (cut(9), cut(3)) == (4, 3)


@pytest.mark.parametrize(
    ("target", "line"),
    [
        (("it", 11), r"fixed-targets planned step 11 of prompt \w+: the model has steps 1 to 10"),
        (("it", 0), "planned step 0"),
        (("nobody's", 4), "fixed-targets planned step 4 of prompt nobody's, which nobody has"),
    ],
)
def test_a_bad_plan_is_one_line_and_the_edge_goes_on(target: tuple[str, int], line: str) -> None:
    async def use(edge: Edge) -> int:
        with pytest.raises(PolicyFailed, match=line):
            await first_slot(edge, learner(edge, target), 9)
        return (await edge.obtain(ask(edge, limit=9), 10)).frame.step

    assert with_edge(use, rule=Planned(6)) == 9  # the device is slow: it is cut at its limit


def test_two_updates_in_a_row_are_one_with_the_later_plan() -> None:
    first = CacheUpdate((("a", 4), ("b", 5)), (("c", 6),), Targets((("a", 4),), 0.1))
    then = CacheUpdate((("a", 3),), (("a", 4), "d"))
    merged = merge(first, then)
    assert merged.admit == (("b", 5), ("a", 3))
    assert merged.evict == (("c", 6), "d")
    assert merged.targets == first.targets
    # beside a newer step, where a prompt may have several
    assert merge(first, CacheUpdate((), (("a", 9),))).evict == (("c", 6), ("a", 9))
    assert merge(first, CacheUpdate(targets=Targets())).targets == Targets()


def test_a_plan_that_takes_several_messages_keeps_its_targets() -> None:
    targets = Targets((("a", 4),), 0.1)
    admit = tuple((f"p{i}", 4) for i in range(KEYS + 1))
    split = list(parts(CacheUpdate(admit, ("x",), targets)))
    assert [len(part.admit) for part in split] == [0, KEYS, 1, 0]
    assert [part.targets for part in split] == [None, None, None, targets]


def slot_of(number: int, random: np.random.Generator, model: CacheModel) -> SlotRecord:
    """A slot of six requests for prompts of a closed catalogue of eight and one from outside; user
    2 came by scale."""
    wishes = [
        Wish(
            key=f"p{min(8, int(random.exponential(2.0)))}",
            limit=int(random.choice([4, 7, 10])),
            user=int(random.integers(3)),
            step_s=0.2,
        )
        for _ in range(6)
    ]
    work = EdgeWork(
        at_s=float(number), busy_s=0.4 * number, ticks=20 * number, steps=40 * number, queue=0,
        in_flight=2,
    )  # fmt: skip
    return play_slot(number, wishes, model, FRAME, work)


def plans(policy: Policy, slots: range, several: bool) -> list[CacheUpdate]:
    """The plans of some slots, carried out."""
    random = np.random.default_rng(slots.start)
    model = CacheModel(PROBLEM.capacity, several)
    updates = []
    for number in slots:
        update = policy.plan(slot_of(number, random, model))
        result = model.apply(update)
        model.check()
        assert result.refused == 0 and result.evicted == len(update.evict)
        model.staging.clear()
        updates.append(update)
        if policy.learns:
            policy.learn()
    return updates


@pytest.mark.parametrize("name", PLANNERS)
def test_a_planner_names_steps_within_the_capacity_and_goes_on_from_its_state(name: str) -> None:
    policy = policies.find(name)()
    policy.reset(PROBLEM, 3)
    updates = plans(policy, range(12), False)
    assert all(update.targets is not None for update in updates)
    wanted = [target for u in updates if u.targets for target in u.targets.steps]
    assert all(2 <= step <= 10 for _, step in wanted)
    if "closed" in policy.needs:
        assert len(policy._numbers) <= 8  # type: ignore[attr-defined]
    again = policies.find(name)()
    again.reset(PROBLEM, 3)
    again.load_state_dict(checkpoint.unpack(checkpoint.pack(policy.state_dict())))
    assert plans(again, range(20, 26), False) == plans(policy, range(20, 26), False)


def test_several_steps_of_a_prompt_are_held_where_limits_differ() -> None:
    for name in ("greedy", "drc-item"):
        policy = policies.find(name)()
        several = Problem(
            **{**vars(PROBLEM), "several": True, "capacity": 5 * FRAME}  # type: ignore[arg-type]
        )
        policy.reset(several, 3)
        random = np.random.default_rng(5)
        model = CacheModel(several.capacity, True)
        for number in range(30):
            model.apply(policy.plan(slot_of(number, random, model)))
            model.check()
        prompts = [output.prompt_key for output in model.snapshot().store]
        assert len(prompts) > len(set(prompts))


def test_a_run_with_a_plan_cuts_within_limits_and_every_step_is_somebodys(tmp_path: Path) -> None:
    from orchestrator import api

    run = api.run(
        scenario(cut={"rule": "planned"}, policy={"name": "greedy"}, duration_s=12),
        out=tmp_path / "run",
    )
    rows = run.requests[run.requests.result == "done"]
    assert len(rows) > 5
    assert (rows.edge_steps + rows.saved_steps + rows.device_steps == 20).all()
    assert (rows.cut_step <= rows.reuse_limit).all()
