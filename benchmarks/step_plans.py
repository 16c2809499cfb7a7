"""What a plan that names steps costs: `python -m benchmarks.step_plans`. Milliseconds of the wall
clock and of the processor for one decision, all of it: counting the slot's accesses, pricing every
step of every prompt, choosing, and the update for the edge.

drc: 300 prompts x 20 steps, 75 held; drc-item: 100,000 prompts, 10,000 held, 1,000 requests a slot.
"""

from __future__ import annotations

import argparse
import os
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from benchmarks.slots import Wish, play_slot
from midstep.wire.messages_control import EdgeWork
from orchestrator import policies
from orchestrator.decision.cache_model import CacheModel
from orchestrator.decision.problem import Problem
from orchestrator.decision.step_times import StepTimes

NBYTES = 8192
STEPS = 20
USERS = 120
TICK_S = tuple(0.0075 + 0.0161 * b for b in range(1, 17))


def world(items: int, held: int, closed: bool) -> Problem:
    """A live run's problem."""
    return Problem(
        held * NBYTES,
        STEPS,
        6,
        frame_bytes=NBYTES,
        reusable_steps=STEPS,
        items=items if closed else None,
        users=USERS,
        times=StepTimes(tick_s=TICK_S, decode_s=0.006, air_bits=4e6, bandwidth_hz=(1e6,) * USERS),
        cut_rule="planned",
    )


def wishes(random: np.random.Generator, law: np.ndarray, count: int) -> list[Wish]:
    """A slot's requests."""
    return [
        Wish(
            key=str(item),
            limit=int(random.choice([10, 12, 13, 20])),
            user=int(random.integers(USERS)),
            step_s=float(random.uniform(0.31, 0.45)),
        )
        for item in random.choice(len(law), count, p=law).tolist()
    ]


def measure(name: str, items: int, held: int, requests: int, slots: int) -> None:
    """Plan some slots, and print what the later ones took."""
    problem = world(items, held, closed=name != "drc-item")
    policy = policies.find(name)()
    policy.reset(problem, 1)
    random = np.random.default_rng(1)
    law = np.arange(1, items + 1) ** -0.8
    law /= law.sum()
    cache = CacheModel(problem.capacity)
    warm = slots // 2 + (2 * held // requests if name == "drc-item" else 0)
    spent = []
    for slot in range(warm + slots):
        work = EdgeWork(
            at_s=float(slot + 1),
            busy_s=0.8 * slot,
            ticks=10 * slot,
            steps=50 * slot,
            queue=0,
            in_flight=5,
        )
        record = play_slot(slot, wishes(random, law, requests), cache, NBYTES, work)
        began = np.array([time.perf_counter(), time.process_time()])
        update = policy.plan(record)
        spent.append(1e3 * (np.array([time.perf_counter(), time.process_time()]) - began))
        cache.apply(update)
        cache.staging.clear()
        if policy.learns:
            policy.learn()
    p50, p95 = np.percentile(spent[warm:], [50, 95], axis=0)
    what = f"{name}, {items:,} prompts x {STEPS} steps, {len(cache.held):,} held"
    print(f"  {what:52}{p50[0]:8.2f}{p95[0]:8.2f}{p50[1]:8.2f}{p95[1]:8.2f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--slots", type=int, default=60)
    options = parser.parse_args()
    heads = ("wall p50", "p95", "CPU p50", "p95")
    print(f"{'one plan that names steps, ms':54}" + "".join(f"{head:>8}" for head in heads))
    for name in ("drc", "greedy", "oo", "dnn", "drc-paper"):
        measure(name, 300, 75, 50, options.slots)
    measure("drc-item", 100_000, 10_000, 1_000, options.slots)


if __name__ == "__main__":
    main()
