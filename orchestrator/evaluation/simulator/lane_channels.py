"""The links and devices of all users of all lanes, slot by slot."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from midstep.draws import GAIN, SPEED
from midstep.radio import channel_law, physics
from orchestrator.decision import draws
from orchestrator.evaluation.simulator.presets import Preset

__all__ = ["LaneChannels"]

Floats = NDArray[np.float64]
BLOCK = 64  # slots that are drawn at once


class LaneChannels:
    """Of U users in B lanes, after `at(slot)`: `transfer_s` (B, U), (8) for a frame; `step_s`
    (B, U), seconds of a step on each device; `channel` (B, U), log2(1 + SNR), 0 for users that a
    lane does not have."""

    transfer_s: Floats
    step_s: Floats
    channel: Floats

    def __init__(self, presets: Sequence[Preset], seeds: NDArray[np.int64]) -> None:
        self._presets = presets
        self._seeds = seeds
        shape = (len(presets), max(preset.users for preset in presets))
        self._mean_gain = np.zeros(shape)
        self._bandwidth = np.ones(shape)
        for b, preset in enumerate(presets):
            distances = channel_law.distances_m(preset.distance_m, preset.users)
            self._mean_gain[b, : preset.users] = channel_law.mean_gain(preset.radio, distances)
            self._bandwidth[b, : preset.users] = channel_law.user_bandwidths_hz(
                preset.bandwidth_mhz, int(seeds[b]), preset.users
            )
        self._bits = np.array([preset.frame_bits for preset in presets])
        self._device_hz = np.array([preset.device_ghz * 1e9 for preset in presets])
        self._block = -1

    def at(self, slot: int) -> None:
        """Move to a slot."""
        block, place = divmod(slot, BLOCK)
        if block != self._block:
            self._block = block
            self._draw(block * BLOCK)
        self.transfer_s = self._transfers[:, place]
        self.step_s = self._steps[:, place]
        self.channel = self._channels[:, place]

    def _draw(self, start: int) -> None:
        """Draw BLOCK slots, (B, BLOCK, U)."""
        shape = (len(self._presets), BLOCK, self._mean_gain.shape[1])
        fading = np.empty(shape)
        speed = np.empty(shape)
        rate = np.empty(shape)
        draws.grid(self._seeds, GAIN, start, fading)
        draws.grid(self._seeds, SPEED, start, speed)
        for b, preset in enumerate(self._presets):
            rate[b] = channel_law.rate_bps(
                preset.radio, self._bandwidth[b], self._mean_gain[b], fading[b]
            )
        self._channels = rate / self._bandwidth[:, None]
        bits = self._bits[:, None, None]
        with np.errstate(divide="ignore"):  # users that a lane does not have
            self._transfers = physics.transfer_seconds(bits, rate, 1)
        hertz = channel_law.speed_share(speed) * self._device_hz[:, None, None]
        self._steps = physics.device_seconds(0, 1, bits, hertz)
