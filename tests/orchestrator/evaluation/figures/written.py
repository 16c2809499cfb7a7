"""Rows of a record, written out from the simulator's own slots."""

from __future__ import annotations

from typing import Any

import numpy as np

from orchestrator.evaluation.figures.engine import accounts
from orchestrator.evaluation.simulator.closed import Rollout
from orchestrator.evaluation.simulator.compare import calibrate
from orchestrator.evaluation.simulator.presets import Preset
from orchestrator.evaluation.simulator.world import World
from orchestrator.policies.greedy import Greedy

__all__ = ["Written", "written"]


class Written(Rollout):
    """A rollout that writes each request as a row of a record."""

    slot_seconds = 1.0

    def __init__(self, name: str, decide: Any, world: World, target_s: np.ndarray) -> None:
        super().__init__(name, decide, world, target_s)
        self.rows: dict[str, list[Any]] = {name: [] for name in accounts.COLUMNS}

    def slot(self, measure: bool, gap: bool) -> Any:
        self._price()
        choice = self.decide(self.view()) if self.decide else np.zeros_like(self.cached)
        self._write(choice[0])
        self._settle(choice, measure)
        return choice

    def _write(self, choice: np.ndarray) -> None:
        world = self.world
        in_flight = set()
        for (user, _), r in np.ndenumerate(world.requests[0]):
            j = int(choice[r])
            hit = bool(self.hit[0, r, j])
            device_s = (world.steps - j) * world.step_s[0, user]
            transfer_s = world.transfer_s[0, user] if j else 0.0
            edge_s = j * world.edge_step_s[0] if j and not hit else 0.0
            reuse = "computed" if j else "local"
            if hit:
                reuse = "exact"
            elif j and r in in_flight:
                reuse = "shared"
            in_flight.add(r)
            row = {
                "due_s": (world.slot + 1e-6) * self.slot_seconds,
                "edge_prompt": f"prompt {r}",
                "reuse": reuse,
                "total_s": edge_s + transfer_s + device_s,
                "result": "done",
                "queue_s": 0.0,
                "edge_s": edge_s,
                "transfer_s": transfer_s,
                "device_s": device_s,
                "overhead_s": 0.0,
                "plan_wait_s": 0.0,
            }
            for name, column in self.rows.items():
                column.append(row[name])


def written(policy: str, preset: Preset, seed: int, slots: int, warmup: int) -> Written:
    """Slots of one world under `greedy`, or with nothing stored."""
    lane = preset, seed
    decide = Greedy().decide if policy == "greedy" else None
    rollout = Written(policy, decide, World([lane]), calibrate([lane], slots))
    rollout.slot_seconds = preset.slot_seconds
    for slot in range(slots):
        rollout.world.advance()
        rollout.slot(measure=slot >= warmup, gap=False)
    return rollout
