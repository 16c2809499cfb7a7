"""What deciding and learning cost, as ratios within one run: `python -m benchmarks.learners [--only
drc,one,lanes]`.

drc: DRC in a batch of 60 lanes against the same algorithm in plain Python, one lane
(orchestrator/policies/drc/reference.py); one: a decision as a live run asks for it, in
milliseconds; lanes: each policy in 60 lanes, and what the whole evaluation would take. One thread;
seconds are of the processor.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from numpy.typing import NDArray

from midstep.wire.messages_control import Access, CachedOutput, CacheSnapshot
from orchestrator import policies
from orchestrator.decision.problem import SlotCost
from orchestrator.evaluation.simulator import closed, compare
from orchestrator.evaluation.simulator.lanes import problem
from orchestrator.evaluation.simulator.presets import Preset, find
from orchestrator.evaluation.simulator.topics import open_stream
from orchestrator.evaluation.simulator.world import World
from orchestrator.policies.base import SlotRecord
from orchestrator.policies.drc.policy import INTERVAL
from orchestrator.policies.drc.reference import ReferenceDrc
from orchestrator.policies.kinds.price_planner import price_planner
from orchestrator.policies.kinds.score_planner import ScorePlanner

Ms = NDArray[np.float64]

LANES = 60
WARM = 150  # slots: everything is compiled, and the pool holds a batch
DECISIONS = 300
EVALUATION = (10_000, 12, 5, 3)  # slots, seeds, points, figures
COMPARED = ("oo", "dnn", "drc")  # and ncldc, which decides nothing


class Clock:
    """Processor seconds by what they were spent on."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = {}

    def __call__(self, what: str, call: Callable[..., Any], *args: Any) -> Any:
        began = time.process_time()
        result = call(*args)
        self.spent[what] = self.spent.get(what, 0.0) + time.process_time() - began
        return result


def setting(preset: Preset, lanes: int) -> tuple[World, NDArray[np.float64]]:
    """A world of lanes with seeds of their own, and their Lbar."""
    each = [(preset, seed) for seed in range(lanes)]
    return World(each), compare.calibrate(each, 100)


def opened(name: str, world: World, target_s: NDArray[np.float64]) -> tuple[closed.Rollout, Any]:
    """A policy in every lane of a world."""
    learner = price_planner(policies.find(name)())
    assert learner is not None
    learner.open([world.problem(b) for b in range(world.size)], [int(seed) for seed in world.seeds])
    return closed.Rollout(name, learner.decide, world, target_s), learner


def drc(slots: int) -> None:
    """DRC's decision and its training: 60 lanes in a batch, and a loop over slots."""
    preset = find("compact")
    print(f"DRC, {preset.items} prompts, {preset.users} users; processor time, one thread")
    world, target_s = setting(preset, LANES)
    rollout, learner = opened("drc", world, target_s)
    batch = Clock()
    decide = learner.decide
    rollout.decide = lambda view: batch("decision", decide, view)
    for slot in range(WARM + slots):
        if slot == WARM:
            batch.spent.clear()
        world.advance()
        rollout.slot(measure=False, gap=False)
        batch("training", learner.learn)

    world, target_s = setting(preset, 1)
    plain = ReferenceDrc(preset.items, preset.users, 0)
    loop = Clock()
    rollout = closed.Rollout(
        "plain", lambda view: choice(loop("decision", plain.decide, view)), world, target_s
    )
    for slot in range(WARM + slots):
        if slot == WARM:
            loop.spent.clear()
        world.advance()
        rollout.slot(measure=False, gap=False)
        loop("training", plain.learn)

    print(f"  slots per processor second   {'plain loop':>12} {f'{LANES} lanes':>12} {'ratio':>8}")
    for clock in (batch, loop):
        clock.spent["both"] = clock.spent["decision"] + clock.spent["training"]
    for part in ("decision", "training", "both"):
        slow = slots / loop.spent[part]
        fast = slots * LANES / batch.spent[part]
        print(f"  {part:28} {slow:12.0f} {fast:12.0f} {fast / slow:8.1f}")
    print(f"  training is every {INTERVAL} slots; both ways it is the same matrix products\n")


def choice(steps: list[int]) -> NDArray[np.int8]:
    return np.array([steps], np.int8)


def one() -> None:
    """A decision as it is asked for in a live run: one lane."""
    print(
        f"{'one decision, ms of the wall clock and of the processor':54}"
        + f"{'p50':>8}{'p95':>8}" * 2
    )
    for name, items, capacity in (("drc", 300, 75), ("drc-item", 1000, 250)):
        sizes = (f"items={items}", f"capacity={capacity}", "requests_per_user=50")
        world, target_s = setting(find("compact", sizes), 1)
        rollout, learner = opened(name, world, target_s)
        took: list[Ms] = []
        decide = learner.decide

        def timed(view: Any, decide: Any = decide, took: list[Ms] = took) -> Any:
            began = now()
            choice = decide(view)
            took.append(now() - began)
            return choice

        rollout.decide = timed
        requested = []
        for _ in range(WARM + DECISIONS):
            world.advance()
            rollout.slot(measure=False, gap=False)
            learner.learn()
            requested.append(int((world.count[0] > 0).sum()))
        show(f"{name}, reactive, R = {items} ({np.mean(requested):.0f} asked for)", took[WARM:])
    ahead()
    print()


def now() -> Ms:
    """Wall-clock and processor time, milliseconds: other programs delay the one, and hardly touch
    the other."""
    return 1e3 * np.array([time.perf_counter(), time.process_time()])


def show(what: str, took: list[Ms]) -> None:
    quantiles = np.percentile(took, [50, 95], axis=0).T.ravel()
    print(f"  {what:52}" + "".join(f"{q:8.2f}" for q in quantiles), flush=True)


def ahead() -> None:
    """`drc-item` planning ahead: N = 100,000, 10,000 held, 1,000 requests a slot."""
    preset = find("full", ["capacity=10000"])
    held: dict[str, CachedOutput] = {}
    stream = open_stream(preset, 5)
    known = problem(preset, stream, preset.capacity)
    policy = policies.find("drc-item")()
    assert isinstance(policy, ScorePlanner)
    try:
        policy.reset(known, 5)
    except FileNotFoundError as error:
        print(f"  drc-item, proactive: left out, {error.filename} is missing")
        return
    scored: list[Ms] = []
    planned: list[Ms] = []
    nbytes = known.frame_bytes
    for slot in range(60 + 40):
        keys = [str(item) for item in stream.advance().tolist()]
        accesses = tuple(
            Access(
                request_id=k,
                prompt_key=k,
                prompt=k,
                step=preset.split_step,
                nbytes=nbytes,
                reuse="exact" if k in held else "computed",
                at_s=float(slot),
                edge_s=0.0,
            )
            for k in keys
        )
        staging = tuple(
            CachedOutput(k, k, preset.split_step, nbytes)
            for k in dict.fromkeys(keys)
            if k not in held
        )
        snapshot = CacheSnapshot(
            store=tuple(held.values()),
            staging=staging,
            capacity=known.capacity,
            store_bytes=len(held) * nbytes,
            staging_bytes=len(staging) * nbytes,
        )
        record = SlotRecord(
            slot, accesses, SlotCost(len(keys), 0, 0, len(set(keys)), 0.0, 0.0), 0.0, snapshot
        )
        began = now()
        update = policy.plan(record)
        planned.append(now() - began)
        ids = np.array([int(h.prompt_key) for h in (*snapshot.store, *snapshot.staging)])
        began = now()
        policy.scores(ids, slot)
        scored.append(now() - began)
        policy.learn()
        fresh = {h.prompt_key: h for h in staging}
        for k in update.evict:
            del held[k if isinstance(k, str) else k[0]]
        held.update({k: fresh[k] for k, _ in update.admit})
    show(f"drc-item, proactive, N = {preset.items:,}: scores of {len(ids):,}", scored[60:])
    show(f"drc-item, proactive, plan() with {len(held):,} held", planned[60:])


def lanes(slots: int) -> None:
    """Every policy in 60 lanes, and the whole evaluation."""
    preset = find("compact")
    print(f"{LANES} lanes, {preset.items} prompts: lane-slots per processor second")
    cost: dict[str, float] = {}

    def row(name: str, clock: Clock) -> None:
        cost[name] = sum(clock.spent.values()) / (slots * LANES)
        print(f"  {name:28} {1 / cost[name]:12.0f}", flush=True)

    world, target_s = setting(preset, LANES)
    world.advance()
    clock = Clock()
    for _ in range(slots):
        clock("", world.advance)
    row("environment", clock)
    for name in ("ncldc", "greedy", "oo", "dnn", "dnn, frozen", "drc"):
        world, target_s = setting(preset, LANES)
        rollout, learner = opened(name.split(",")[0], world, target_s)
        if name.endswith("frozen"):
            learner.slots = 10**6
        clock = Clock()
        for slot in range(WARM + slots):
            world.advance()
            if slot == WARM:
                clock.spent.clear()
            clock("", rollout.slot, True, False)
            clock("", learner.learn)
        row(name, clock)
    world, target_s = setting(preset, LANES)
    rollout, learner = opened("ncldc", world, target_s)
    clock = Clock()
    spent = cost["ncldc"]
    for _ in range(slots):
        world.advance()
        clock("", rollout.slot, True, True)
    row("ncldc, gap measured", clock)
    gap = (cost["ncldc, gap measured"] - spent) / closed.GAP_EVERY
    wide, seeds, points, figures = EVALUATION
    share = 1_000 / wide  # of the slots in which the DNN learns
    dnn = share * cost["dnn"] + (1 - share) * cost["dnn, frozen"]
    policies_s = cost["ncldc"] + cost["oo"] + dnn + cost["drc"] + 4 * gap
    calibration = compare.GREEDY_SLOTS / wide * (cost["environment"] + cost["greedy"])
    whole = (cost["environment"] + policies_s + calibration) * wide * seeds * points * figures
    print(
        f"  {figures} figures x {points} points x {seeds} seeds x {wide:,} slots of ncldc, "
        f"{', '.join(COMPARED)}: "
        f"{whole / 60:.1f} processor minutes, {whole / 120:.1f} minutes on two cores"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="drc,one,lanes")
    parser.add_argument(
        "--slots", type=int, default=100, help="that are measured (default: %(default)s)"
    )
    options = parser.parse_args()
    torch.set_num_threads(1)
    wanted = options.only.split(",")
    if "drc" in wanted:
        drc(options.slots)
    if "one" in wanted:
        one()
    if "lanes" in wanted:
        lanes(options.slots)


if __name__ == "__main__":
    main()
