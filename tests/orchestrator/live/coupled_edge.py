"""A coupled edge for the learner's tests: the simulator's requests wait at it, and it serves as
(14) has it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import numpy as np

from midstep.wire.messages_control import (
    Access,
    CachedOutput,
    CacheSnapshot,
    CacheUpdate,
    CacheUpdateResult,
    Demand,
    SlotPlan,
)
from orchestrator.decision.cache_model import CacheModel
from orchestrator.decision.problem import Served
from orchestrator.evaluation.simulator.world import World
from orchestrator.live.slot_planner import SlotSetting

__all__ = ["CoupledEdge", "setting_of"]


def setting_of(world: World) -> SlotSetting:
    """The setting of a world's only lane; prompt r is called `prompt r`."""
    preset, seed = world.lanes[0]
    world._channels.at(0)
    return SlotSetting(
        prompts=[f"prompt {r}" for r in range(preset.items)],
        frame_bits=preset.frame_bits,
        bandwidth_hz=world._channels._bandwidth[0],
        seed=seed,
        tolerant=preset.tolerance,
    )


class CoupledEdge:
    """See ControlPort. `world` is advanced by the test; `frame_bits` are the air's."""

    def __init__(self, world: World, frame_bits: float) -> None:
        self.world = world
        self.frame_bits = frame_bits
        preset = world.lanes[0][0]
        self.nbytes = round(preset.frame_kb * 1e3)
        self.cache = CacheModel(preset.capacity * self.nbytes)
        self.plans: list[SlotPlan] = []
        self.expected: list[int] = []

    def demand(self) -> list[Demand]:
        """The requests of the world's slot."""
        world = self.world
        return [
            Demand(
                request_id=f"{user}-{number}",
                prompt_key=_key(int(item)),
                prompt=f"prompt {item}",
                user=user,
                limit=world.steps,
                rate_bps=float(self.frame_bits / world.transfer_s[0, user]),
                step_s=float(world.step_s[0, user]),
            )
            for user, items in enumerate(world.requests[0])
            for number, item in enumerate(items)
            if item >= 0
        ]

    async def gather(self, slot: int, expected: int, wait_s: float) -> tuple[Demand, ...]:
        self.expected.append(expected)
        return tuple(self.demand())

    async def serve(self, plan: SlotPlan) -> None:
        """What is computed waits in staging, as at the edge."""
        self.plans.append(plan)
        self.cache.staging.clear()
        for step in plan.steps:
            if step.from_store:
                assert (step.prompt_key, step.step) in self.cache.held
            elif step.step:
                item = int(step.prompt_key.removeprefix("key "))
                prompt = f"prompt {item}"
                self.cache.stage([CachedOutput(step.prompt_key, prompt, step.step, self.nbytes)])

    def served(self) -> list[Served]:
        """What the slot's requests took, by the last plan."""
        world = self.world
        planned = {step.prompt_key: step for step in self.plans[-1].steps}
        rows = []
        for one in self.demand():
            step = planned[one.prompt_key]
            total_s = (world.steps - step.step) * one.step_s
            if step.step:
                total_s += self.frame_bits / one.rate_bps
            if step.step and not step.from_store:
                total_s += step.step * float(world.edge_step_s[0])
            rows.append(Served(one.prompt_key, step.from_store, total_s))
        return rows

    def held(self) -> np.ndarray:
        """The step held of each item, (R,)."""
        cached = np.zeros(self.world.items, np.int8)
        for output in self.cache.held.values():
            cached[int(output.prompt_key.removeprefix("key "))] = output.step
        return cached

    def steps(self, items: Sequence[int]) -> list[int]:
        """The steps that the last plan names of these items."""
        planned = {step.prompt_key: step.step for step in self.plans[-1].steps}
        return [planned[_key(item)] for item in items]

    async def apply(self, update: CacheUpdate) -> CacheUpdateResult:
        result = self.cache.apply(update)
        self.cache.check()
        return result

    async def snapshot(self) -> CacheSnapshot:
        return self.cache.snapshot()

    def watch(self) -> AsyncIterator[Access]:
        raise AssertionError("a coupled edge's learner follows no accesses")


def _key(item: int) -> str:
    return f"key {item}"
