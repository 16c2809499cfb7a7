"""Warming up a policy before the run: planners import and compile code at its first use, which
takes seconds that a run's first slots do not have."""

from __future__ import annotations

from collections.abc import Callable

from midstep.wire.messages_control import Access, CachedOutput, CacheSnapshot
from orchestrator.decision.problem import Problem, Served, slot_cost
from orchestrator.policies import Policy, SlotRecord
from orchestrator.policies.kinds.driver import drive

__all__ = ["warm_up"]

SLOTS = 200  # at most: a learner may train every tenth slot, and wait until it has seen a batch
PROMPTS = 4


def warm_up(make: Callable[[], Policy], problem: Problem, seed: int) -> None:
    """Let a second policy of the same class plan and learn invented slots until it has trained
    once. Rules that do not learn need no warm-up."""
    scratch = make()
    driver = drive(scratch)
    if driver.acts and not driver.learns:
        return
    scratch.reset(problem, seed)
    nbytes = min(problem.frame_bytes, problem.capacity)
    prompts = min(PROMPTS, problem.items or PROMPTS)
    held = tuple(
        CachedOutput(f"warm-up {i}", f"warm-up {i}", problem.split_step, nbytes)
        for i in range(prompts)
    )
    for slot in range(SLOTS):
        accesses = tuple(
            Access(
                request_id="",
                prompt_key=h.prompt_key,
                prompt=h.prompt,
                step=h.step,
                nbytes=nbytes,
                reuse="computed",
                at_s=slot,
                edge_s=0.1,
            )
            for h in held
        )
        cost = slot_cost(Served(h.prompt_key, False, 1.0) for h in held)
        snapshot = CacheSnapshot(
            store=held[:1],
            staging=held[1:],
            capacity=problem.capacity,
            store_bytes=nbytes,
            staging_bytes=(prompts - 1) * nbytes,
        )
        driver.end_slot(SlotRecord(slot, accesses, cost, 0.1, snapshot))
        if driver.learn() is not None or not driver.learns:
            return
