"""The world of a closed catalogue: who asks for what in each slot, over which channel, and what
each choice would cost.

Lanes run side by side: a lane is one preset with one seed. Nothing here depends on a policy, so
every policy of a comparison meets the same world.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from midstep.draws import DRIFT, GAIN, SPEED, TOLERANCE, uniforms
from midstep.radio import channel_law, physics
from midstep.workload.popularity import swap_count, swap_pairs, swap_ranks, zipf_weights
from orchestrator.decision import draws
from orchestrator.decision.problem import Problem
from orchestrator.evaluation.simulator.demand import draw_requests
from orchestrator.evaluation.simulator.presets import Preset

__all__ = ["World"]

Floats = NDArray[np.float64]
BLOCK = 64  # slots whose channel is drawn at once


class World:
    """B lanes of a slotted world. After `advance`, the arrays hold the slot:

    `requests` (B, U, k) item of each request, -1 where the lane has fewer; `count` (B, R) requests
    of each item; `transfer_s` (B, U), (8) for a frame; `step_s` (B, U), seconds of a step on each
    device; `channel` (B, U), log2(1 + SNR), 0 for users that a lane does not have; `base_s` (B, R,
    J), the slowest requester's transfer and device time of (14) for choice j, inf for choices that
    the lane forbids; `tolerated` (B, R, J), whether a cached step may serve.
    """

    def __init__(self, lanes: Sequence[tuple[Preset, int]]) -> None:
        self.lanes = list(lanes)
        presets = [preset for preset, _ in lanes]
        self.size = len(presets)
        self.items = _same(presets, "items")
        self.steps = _same(presets, "steps")
        self.seeds = np.array([seed for _, seed in lanes], np.int64)
        self.users = np.array([p.users for p in presets])
        self.per_user = np.array([p.requests_per_user for p in presets])
        self.reusable = np.array([p.reusable_steps for p in presets])
        self.capacity = np.array([float(p.capacity) for p in presets])
        self.weight_v = np.array([p.weight_v for p in presets])
        self.tolerant = np.array([p.tolerance for p in presets])
        self.shared = np.array([p.edge == "shared" for p in presets])
        self.split = np.array([p.split_step for p in presets])
        self.bits = np.array([p.frame_bits for p in presets])
        self.edge_step_s = np.array(
            [float(physics.edge_seconds(1, p.frame_bits, p.edge_ghz * 1e9)) for p in presets]
        )
        top = int(self.users.max())
        self.choices = int(self.reusable.max()) + 1
        self._mean_gain = np.zeros((self.size, top))
        self._bandwidth = np.ones((self.size, top))
        for b, p in enumerate(presets):
            places = channel_law.distances_m(p.distance_m, p.users)
            self._mean_gain[b, : p.users] = channel_law.mean_gain(p.radio, places)
            self._bandwidth[b, : p.users] = channel_law.user_bandwidths_hz(
                p.bandwidth_mhz, int(self.seeds[b]), p.users
            )
        self._device_hz = np.array([p.device_ghz * 1e9 for p in presets])
        self._weights = np.stack([np.cumsum(zipf_weights(self.items, p.zipf)) for p in presets])
        self._swaps = np.array([p.drift_swaps_per_slot for p in presets])
        self._order = np.tile(np.arange(self.items), (self.size, 1))
        self.requests = np.full((self.size, top, int(self.per_user.max())), -1, np.int32)
        self.count = np.zeros((self.size, self.items), np.int64)
        self.base_s = np.zeros((self.size, self.items, self.choices))
        self.tolerated = np.ones((self.size, self.items, self.choices), np.bool_)
        self.slot = -1
        self._block = -1

    def advance(self) -> None:
        """The next slot."""
        self.slot += 1
        if self.slot // BLOCK != self._block:
            self._block = self.slot // BLOCK
            self._draw_channels(self._block * BLOCK)
        at = self.slot % BLOCK
        self.transfer_s = self._transfers[:, at]
        self.step_s = self._paces[:, at]
        self.channel = self._channels[:, at]
        if self.slot:
            self._drift()
        draw_requests(
            self.seeds,
            self.slot,
            self.users,
            self.per_user,
            self._weights,
            self._order,
            self.requests,
            self.count,
        )
        _price(
            self.requests,
            self.count,
            self.transfer_s,
            self.step_s,
            self.steps,
            self.reusable,
            self.shared,
            self.split,
            self.base_s,
        )
        _tolerate(self.seeds, self.slot, self.tolerant, self.count, self.tolerated)

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
        """Random pairs of ranks exchange their items."""
        counts = swap_count(self._swaps, uniforms(self.seeds, DRIFT, self.slot))
        pairs = swap_pairs(self.seeds, self.slot, int(counts.max()), self.items)
        for b in np.flatnonzero(counts).tolist():
            swap_ranks(self._order[b], pairs[b, : counts[b]])

    def _draw_channels(self, start: int) -> None:
        """Rates, transfer times and paces of BLOCK slots, (B, BLOCK, U)."""
        shape = (self.size, BLOCK, self._mean_gain.shape[1])
        fading = np.empty(shape)
        speed = np.empty(shape)
        rate = np.empty(shape)
        draws.grid(self.seeds, GAIN, start, fading)
        draws.grid(self.seeds, SPEED, start, speed)
        for b, (preset, _) in enumerate(self.lanes):
            rate[b] = channel_law.rate_bps(
                preset.radio, self._bandwidth[b], self._mean_gain[b], fading[b]
            )
        self._channels = rate / self._bandwidth[:, None]
        with np.errstate(divide="ignore"):  # users that a lane does not have
            self._transfers = physics.transfer_seconds(self.bits[:, None, None], rate, 1)
        hertz = channel_law.speed_share(speed) * self._device_hz[:, None, None]
        self._paces = physics.device_seconds(0, 1, self.bits[:, None, None], hertz)


def _same(presets: Sequence[Preset], field: str) -> int:
    values = {getattr(preset, field) for preset in presets}
    if len(values) != 1:
        raise ValueError(f"lanes that run side by side have one {field}, not {sorted(values)}")
    return int(values.pop())


@njit(cache=True)
def _price(
    requests: Any,
    count: Any,
    transfer: Any,
    pace: Any,
    steps: int,
    reusable: Any,
    shared: Any,
    split: Any,
    base: Any,
) -> None:
    """The slowest requester's T + loc of (14), (15): j = 0 is all local, or split at m0 where the
    edge is shared."""
    lanes, users, per_user = requests.shape
    for b in range(lanes):
        for r in range(count.shape[1]):
            for j in range(base.shape[2]):
                base[b, r, j] = np.inf if j == 1 or j > reusable[b] else 0.0
        for u in range(users):
            for i in range(per_user):
                r = requests[b, u, i]
                if r < 0:
                    continue
                nothing = (
                    transfer[b, u] + (steps - split[b]) * pace[b, u]
                    if shared[b]
                    else steps * pace[b, u]
                )
                base[b, r, 0] = max(base[b, r, 0], nothing)
                for j in range(2, reusable[b] + 1):
                    base[b, r, j] = max(base[b, r, j], transfer[b, u] + (steps - j) * pace[b, u])


@njit(cache=True)
def _tolerate(seeds: Any, slot: int, tolerant: Any, count: Any, tolerated: Any) -> None:
    """rho(m) = 1 - 0.05 max(0, m - 5): one draw for each item and slot."""
    for b in range(count.shape[0]):
        if not tolerant[b]:
            continue
        for r in range(count.shape[1]):
            if count[b, r] > 0:
                draw = draws.uniform(seeds[b], TOLERANCE, slot, r, 0)
                for j in range(tolerated.shape[2]):
                    tolerated[b, r, j] = draw < 1.0 - 0.05 * max(0, j - 5)
