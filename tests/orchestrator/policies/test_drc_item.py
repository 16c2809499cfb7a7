"""drc-item: what it learns, what it remembers, and that its size has nothing to do with the
catalogue."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from midstep.wire.messages_control import Access, CachedOutput, CacheSnapshot
from orchestrator import policies
from orchestrator.decision.problem import Problem, SlotCost
from orchestrator.evaluation.simulator.lanes import ScoreLane, problem
from orchestrator.evaluation.simulator.presets import Preset, find
from orchestrator.evaluation.simulator.topics import open_stream
from orchestrator.live import checkpoint
from orchestrator.policies import SlotRecord
from orchestrator.policies.drc_item import scorer
from orchestrator.policies.drc_item.features import ItemTable
from orchestrator.policies.drc_item.part_shares import PartShares
from orchestrator.policies.drc_item.policy import DrcItem
from orchestrator.policies.drc_item.samples import Samples
from orchestrator.policies.lfu_decay import LfuDecay

FULL = find(
    "full",
    ["items=3000", "users=4", "requests_per_user=50", "capacity=200", "drift_swaps_per_slot=10"],
)
TRENDS = find(
    "topics",
    [
        "items=4000",
        "users=4",
        "requests_per_user=50",
        "topics.parts=[20, 20, 10]",
        "topics.bursts_per_slot=0.08",
        "topics.burst_slots=[10, 30]",
    ],
)


def driven(
    policy: DrcItem | LfuDecay, preset: Preset, slots: int, seed: int = 1, capacity: int = 200
) -> float:
    """Hit ratio in the second half."""
    stream = open_stream(preset, seed)
    policy.reset(problem(preset, stream, capacity), seed)
    lane = ScoreLane(policy, stream, [capacity])
    return float(
        np.mean([lane.serve(stream.advance(), slot) for slot in range(slots)][slots // 2 :])
    )


def test_it_sees_a_trend_of_parts_that_counting_prompts_misses() -> None:
    counting = max(driven(LfuDecay(efold), TRENDS, 160) for efold in (5, 15, 50))
    assert driven(DrcItem(), TRENDS, 160) > counting + 0.02


def test_it_learns() -> None:
    """From weights that know nothing it comes to forecast better; the mean loss is what it says."""
    blind = scorer.fresh(2)
    blind["w3"] += np.random.default_rng(2).standard_normal(blind["w3"].shape).astype(np.float32)
    frozen = DrcItem(blind, reuse=0)
    learning = DrcItem(blind)
    assert driven(learning, FULL, 120) > driven(frozen, FULL, 120) + 0.03
    stats = learning.learn()
    learning.observe(np.arange(300), np.full(300, 9), 120)
    stats = learning.learn()
    assert stats is not None and np.isfinite(stats.loss) and stats.k > 0 and stats.updates > 50


@pytest.mark.parametrize("preset", [FULL, TRENDS], ids=["full", "topics"])
def test_its_state_restores_to_identical_scores_and_goes_on_alike(preset: Preset) -> None:
    first = DrcItem()
    second = DrcItem()
    driven(first, preset, 40)
    blob = checkpoint.pack(first.state_dict())
    learnt_problem = first.problem
    second.reset(learnt_problem, 99)
    second.load_state_dict(checkpoint.unpack(blob))
    ids = np.arange(500)
    np.testing.assert_array_equal(first.scores(ids, 40), second.scores(ids, 40))
    for slot in range(40, 60):
        for each in (first, second):
            each.observe(ids[::3], np.full(167, 6), slot)
            each.learn()
    np.testing.assert_array_equal(first.scores(ids, 60), second.scores(ids, 60))
    assert (first.scores(ids, 60)[0] > first.scores(ids, 60)[1]).all()


def test_its_network_does_not_grow_with_the_catalogue() -> None:
    few = DrcItem()
    many = DrcItem()
    driven(few, FULL, 40)
    driven(many, find("full", ["items=60000", "users=4", "requests_per_user=200"]), 40)
    sizes = [
        sum(w.size for w in each.state_dict()["trainer"]["weights"].values())
        for each in (few, many)
    ]
    assert sizes[0] == sizes[1] < 5_000


def test_the_seed_decides() -> None:
    results = []
    for seed in (1, 1, 2):
        policy = DrcItem()
        driven(policy, FULL, 2)
        policy.reset(policy.problem, seed)
        for slot in range(40):
            policy.observe(np.arange(slot, slot + 300), np.arange(1, 301), slot)
            policy.learn()
        results.append(policy.scores(np.arange(300), 40))
    np.testing.assert_array_equal(results[0], results[1])
    assert (results[0] != results[2]).any()


def test_it_plans_with_texts_with_unknown_items_and_through_silence() -> None:
    policy = policies.find("drc-item")()
    policy.reset(Problem(30, 20, 6, frame_bytes=10, parts=lambda prompt: tuple(prompt.split())), 0)
    held = (CachedOutput("k", "a lost one", 6, 10),)
    update = policy.plan(
        SlotRecord(
            5,
            (),
            SlotCost(0, 0, 0, 0, 0, 0),
            0.0,
            CacheSnapshot(store=held, staging=(), capacity=30, store_bytes=10, staging_bytes=0),
        )
    )
    assert not update and policy.learn() is None
    accesses = [
        Access(
            request_id="r",
            prompt_key=f"{word}{n}",
            prompt=f"{word} {n}",
            step=6,
            nbytes=10,
            reuse="computed",
            at_s=0,
            edge_s=0,
        )
        for word in "ab"
        for n in range(3)
    ] * 3
    staging = tuple(
        {a.prompt_key: CachedOutput(a.prompt_key, a.prompt, 6, 10) for a in accesses}.values()
    )
    record = SlotRecord(
        9,
        (*accesses, *accesses[:3]),
        SlotCost(21, 0, 21, 6, 0, 0),
        0.0,
        CacheSnapshot(store=held, staging=staging, capacity=30, store_bytes=10, staging_bytes=60),
    )
    update = policy.plan(record)
    assert [key for key, _ in update.admit] == ["a0", "a1", "a2"] and update.evict == ("k",)


def test_labels_are_discounted_counts_of_what_came_later() -> None:
    samples = Samples(400, 5.0)
    random = np.random.default_rng(0)
    counts = random.poisson(0.7, (120, 4))
    table = ItemTable(False)
    for slot in range(120):
        ids = np.flatnonzero(counts[slot])
        samples.observe(ids, counts[slot][ids], slot)
        features = table.features(np.arange(4), slot)
        # to recognise them by
        features[:, 0] = slot
        features[:, 1] = np.arange(4)
        samples.add(np.arange(4), features, slot)
    drawn = samples.draw(300, 119, 3, random)
    assert drawn is not None
    for features, exposure, label in zip(*drawn, strict=True):
        slot = int(features[0])
        item = int(features[1])
        weight = np.exp(-np.arange(119 - slot) / 5.0)
        assert slot <= 116
        assert exposure == pytest.approx(weight.sum())
        assert label == pytest.approx((weight * counts[slot + 1 :, item]).sum(), abs=1e-6)
    assert samples.draw(300, 119, 119, random) is None


def test_a_trend_that_nobody_looked_at_counts_in_what_was_to_be_expected() -> None:
    """A part bursts in 20 of 60 slots while an item with that part is silent: what was to be
    expected of the item is nearly the same, whether it was looked at in every slot or only before
    and after; a straight line misses the burst.
    """
    looked = ItemTable(True)
    silent = ItemTable(True)
    random = np.random.default_rng(0)
    for item in range(20):
        for table in (looked, silent):
            table.met(item, (f"a{item % 2}", f"b{item // 2}"))
    expected = []
    for slot in range(60):
        counts = random.poisson(np.where(np.arange(20) % 2, 40, 200 if 20 <= slot < 40 else 4))
        counts[0] = slot == 0
        ids = np.flatnonzero(counts)
        for table in (looked, silent):
            table.observe(ids, counts[ids], slot)
        expected.append(np.exp(looked.features(np.arange(1), slot)[0, -1]))
    line = expected[10] / 10 * 59
    assert expected[-1] > 3 * line
    assert np.exp(silent.features(np.arange(1), 59)[0, -1]) == pytest.approx(expected[-1], rel=0.4)


def test_shares_of_parts_jump_with_them_and_are_steady_in_between() -> None:
    shares = PartShares((1.0, 3.0, 30.0))
    random = np.random.default_rng(0)
    wrong = []
    for item in range(4):
        shares.met(item, (f"p{item}",))
    for slot in range(160):
        rate = np.array([5, 60, 30, 200 if slot < 150 else 10])
        shares.observe(np.arange(4), random.poisson(rate) + 1)
        wrong.append(np.abs(np.exp(shares.log_share[:4]) * rate.sum() / rate[:, None] - 1).mean(0))
    steady = np.mean(wrong[100:150], 0)
    jumped = np.mean(wrong[152:], 0)
    # nearly as good as the best
    assert steady[3] < 1.1 * steady[2] and jumped[3] < jumped[1] / 2, (
        steady,
        jumped,
    )


def test_parts_that_were_never_asked_for_are_unlikely_not_garbage() -> None:
    shares = PartShares((3.0, np.inf))
    shares.met(0, ("a",))
    shares.observe(np.zeros(1, np.int64), np.array([50]))
    shares.met(1, tuple(f"new{n}" for n in range(200)))
    shares.met(2, ("new199",))
    assert (shares.log_products(np.array([2])) < shares.log_products(np.array([0])) - 2).all()
    assert np.isfinite(shares.log_products(np.arange(3))).all()


def test_naming_policies_costs_neither_torch_nor_numba() -> None:
    program = (
        "import sys, orchestrator.policies; "
        "print([m for m in ('torch', 'numba', 'scipy') if m in sys.modules])"
    )
    assert (
        subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        ).stdout
        == "[]\n"
    )
