"""Policies compared in a closed catalogue: every one in every lane of the same world."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orchestrator import policies
from orchestrator.evaluation.simulator import accounts
from orchestrator.evaluation.simulator.closed import GAP_EVERY, Rollout
from orchestrator.evaluation.simulator.presets import Preset
from orchestrator.evaluation.simulator.world import World
from orchestrator.policies.base import LearnerStats
from orchestrator.policies.greedy import Greedy
from orchestrator.policies.kinds.price_planner import PricePlanner, price_planner

__all__ = ["Lane", "Series", "calibrate", "play_all"]

Floats = NDArray[np.float64]
Lane = tuple[Preset, int]
GREEDY_SLOTS = 2_000  # of the pass that sets Lbar, at most
TIGHTNESS = (
    0.993  # Lbar is this share of greedy's mean L_avg: looser, Q stays 0; tighter, it diverges
)


@dataclass
class Series:
    """What a policy did over time, (slots, B) each, where somebody asked for it."""

    queue_s: list[Floats]
    loss: list[float]
    k: list[float]
    gap: list[Floats]


def calibrate(lanes: Sequence[Lane], slots: int) -> Floats:
    """Lbar and Lhat of each lane, seconds: the preset's own, else 0.993 x mean L_avg of `greedy`
    with Q = 0."""
    own_target_s = np.array([p.latency_target_ms or np.nan for p, _ in lanes]) / 1e3
    if not np.isnan(own_target_s).any():
        return own_target_s
    world = World(lanes)
    rollout = Rollout("greedy", Greedy().decide, world, np.zeros(len(lanes)))
    rollout.frozen = True
    for _ in range(min(slots, GREEDY_SLOTS)):
        world.advance()
        rollout.slot(measure=True, gap=False)
    averages: Floats = rollout.sums[:, accounts.AT["average_s"]] / rollout.sums[:, 0]
    return np.where(np.isnan(own_target_s), TIGHTNESS * averages, own_target_s)


def play_all(
    lanes: Sequence[Lane],
    names: Sequence[str],
    slots: int,
    warmup: int,
    targets: Floats | None = None,
    tick: Callable[[int], None] | None = None,
    series: dict[str, Series] | None = None,
) -> dict[str, Rollout]:
    """Run `slots` slots of every lane under every policy; sums are of the slots from `warmup` on.

    `tick` is told of every slot; `series` is filled where it is given. Raises ScenarioError for an
    unknown policy.
    """
    world = World(lanes)
    targets = calibrate(lanes, slots) if targets is None else targets
    learners: dict[str, PricePlanner | None] = {}
    rollouts: dict[str, Rollout] = {}
    for name in names:
        rollouts[name], learners[name] = _open(name, world, targets)
        if series is not None:
            series[name] = Series([], [], [], [])
    for slot in range(slots):
        world.advance()
        for name, rollout in rollouts.items():
            rollout.slot(measure=slot >= warmup, gap=slot % GAP_EVERY == 0)
            learner = learners[name]
            stats = learner.learn() if learner is not None and learner.learns else None
            if series is not None:
                _note(series[name], rollout, stats, slot)
        if tick is not None:
            tick(slot)
    return rollouts


def _open(name: str, world: World, targets: Floats) -> tuple[Rollout, PricePlanner | None]:
    """All lanes as one program where the policy can, else an object for each."""
    problems = [world.problem(b) for b in range(world.size)]
    seeds = [int(seed) for seed in world.seeds]
    for problem in problems:
        policies.check(name, problem, "simulate")
    make = policies.find(name)
    planner = price_planner(make()) if problems[0].timing == "reactive" else None
    if planner is None:
        from orchestrator.evaluation.simulator.objects import objects

        rollout: Rollout = objects(name, make, world, seeds, targets)
    else:
        planner.open(problems, seeds)
        rollout = Rollout(name, planner.decide, world, targets)
        rollout.guarded = planner.guarded
    rollout.guarded = rollout.guarded and all(p.serve_guard for p, _ in world.lanes)
    return rollout, planner


def _note(series: Series, rollout: Rollout, stats: LearnerStats | None, slot: int) -> None:
    series.queue_s.append(rollout.queue_s.copy())
    if slot % GAP_EVERY == 0:
        series.gap.append(rollout.last_gap.copy())
    if stats is not None:
        series.loss.append(stats.loss)
        series.k.append(stats.k)
