"""The world of a closed catalogue: who asks for what in each slot, over which channel, and what
each choice would cost.

Lanes run side by side: a lane is one preset with one seed. Nothing here depends on a policy, so
every policy of a comparison meets the same world.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from midstep.draws import DRIFT, uniforms
from midstep.radio import physics
from midstep.workload.popularity import swap_count, swap_pairs, swap_ranks, zipf_weights
from orchestrator.decision.choice_prices import Cuts, draw_tolerance, price_choices
from orchestrator.decision.problem import Problem
from orchestrator.evaluation.simulator.demand import Demand, draw_requests
from orchestrator.evaluation.simulator.lane_channels import LaneChannels
from orchestrator.evaluation.simulator.presets import Preset

__all__ = ["World"]


class World:
    """B lanes of a slotted world. After `advance`, the arrays hold the slot:

    `requests` (B, U, k) item of each request, -1 where the lane has fewer; `count` (B, R) requests
    of each item; `transfer_s` (B, U), (8) for a frame; `step_s` (B, U), seconds of a step on each
    device; `channel` (B, U), log2(1 + SNR), 0 for users that a lane does not have; `base_s` (B, R,
    J), the slowest requester's transfer and device time of (14) for choice j, inf for choices that
    the lane forbids; `tolerated` (B, R, J), whether a cached step may serve.

    Raises ValueError for lanes of different numbers of items or steps.
    """

    def __init__(self, lanes: Sequence[tuple[Preset, int]]) -> None:
        self.lanes = list(lanes)
        presets = [preset for preset, _ in lanes]
        self.size = len(presets)
        self.items = _same(presets, "items")
        self.steps = _same(presets, "steps")
        self.seeds = np.array([seed for _, seed in lanes], np.int64)
        self.reusable = np.array([p.reusable_steps for p in presets])
        self.capacity = np.array([float(p.capacity) for p in presets])
        self.weight_v = np.array([p.weight_v for p in presets])
        self.shared = np.array([p.edge == "shared" for p in presets])
        self.split = np.array([p.split_step for p in presets])
        self.edge_step_s = np.array(
            [float(physics.edge_seconds(1, p.frame_bits, p.edge_ghz * 1e9)) for p in presets]
        )
        self.choices = int(self.reusable.max()) + 1
        self._tolerant = np.array([p.tolerance for p in presets])
        self._swaps = np.array([p.drift_swaps_per_slot for p in presets])
        self._channels = LaneChannels(presets, self.seeds)
        self._cuts = Cuts(self.steps, self.reusable, self.shared, self.split)
        self._demand = Demand(
            seeds=self.seeds,
            users=np.array([p.users for p in presets]),
            per_user=np.array([p.requests_per_user for p in presets]),
            weights=np.stack([np.cumsum(zipf_weights(self.items, p.zipf)) for p in presets]),
            order=np.tile(np.arange(self.items), (self.size, 1)),
        )
        users = max(p.users for p in presets)
        per_user = max(p.requests_per_user for p in presets)
        self.requests = np.full((self.size, users, per_user), -1, np.int32)
        self.count = np.zeros((self.size, self.items), np.int64)
        self.base_s = np.zeros((self.size, self.items, self.choices))
        self.tolerated = np.ones((self.size, self.items, self.choices), np.bool_)
        self.slot = -1

    def advance(self) -> None:
        """Move to the next slot."""
        self.slot += 1
        self._channels.at(self.slot)
        self.transfer_s = self._channels.transfer_s
        self.step_s = self._channels.step_s
        self.channel = self._channels.channel
        if self.slot:
            self._drift()
        draw_requests(self._demand, self.slot, self.requests, self.count)
        price_choices(
            self._cuts, self.requests, self.count, self.transfer_s, self.step_s, self.base_s
        )
        draw_tolerance(self.seeds, self.slot, self._tolerant, self.count, self.tolerated)

    def problem(self, lane: int) -> Problem:
        """The lane as a policy knows it: sizes in bytes, items numbered by their key."""
        preset = self.lanes[lane][0]
        nbytes = round(preset.frame_kb * 1e3)
        return Problem(
            capacity=preset.capacity * nbytes,
            steps=preset.steps,
            split_step=preset.split_step,
            frame_bytes=nbytes,
            reusable_steps=preset.reusable_steps,
            items=preset.items,
            users=preset.users,
            edge=preset.edge,
            timing=preset.timing,
            weight_v=preset.weight_v,
            number=int,
        )

    def _drift(self) -> None:
        """Let random pairs of ranks exchange their items."""
        counts = swap_count(self._swaps, uniforms(self.seeds, DRIFT, self.slot))
        pairs = swap_pairs(self.seeds, self.slot, int(counts.max()), self.items)
        for b in np.flatnonzero(counts).tolist():
            swap_ranks(self._demand.order[b], pairs[b, : counts[b]])


def _same(presets: Sequence[Preset], field: str) -> int:
    values = {getattr(preset, field) for preset in presets}
    if len(values) != 1:
        raise ValueError(f"lanes that run side by side have one {field}, not {sorted(values)}")
    return int(values.pop())
