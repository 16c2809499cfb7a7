"""A slot with its prices as planners by price see it, in lanes side by side; and what they
choose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Choice", "Floats", "PricedSlots", "SlotPrices"]

Floats = NDArray[np.float64]
Choice = NDArray[np.int8]


class SlotPrices(NamedTuple):
    """P2 (33) of one lane, as kernels take it; of B lanes with a lane axis in front of each field.

    `weight` (R,), how much a prompt counts: 1 where it was requested, 0 where not, its chance of
    being requested where demand is forecast; `cost_s` (R, J), L_r(j) of (15) for j = 0..J-1, inf
    where j may not be chosen; `hit` (R, J), whether choice j is served from the cache (O = 0);
    `capacity` in items, or in what sizes are counted in; `queue_s`, Q of (23); `weight_v`, V;
    `target_s`, Lbar. |A| is the sum of the weights.
    """

    weight: Floats
    cost_s: Floats
    hit: NDArray[np.bool_]
    capacity: Floats | float
    queue_s: Floats | float
    weight_v: Floats | float
    target_s: Floats | float


@dataclass(kw_only=True)
class PricedSlots:
    """A slot in B lanes of R items, U users, J = S* + 1 choices. Shapes:

    `weight` (B, R), as in `SlotPrices`; `count` (B, R) requests; `cost_s`, `hit` (B, R, J);
    `channel` (B, U), log2(1 + SNR); `cached` (B, R), the step held at the slot's start, 0 for none;
    `queue_s`, `target_s`, `weight_v`, `capacity` (items) and `reusable` (S*) are (B,). `speed`
    (B, U), steps a second, is there where a live plan names steps.
    """

    weight: Floats
    count: Floats
    cost_s: Floats
    hit: NDArray[np.bool_]
    channel: Floats
    cached: Choice
    queue_s: Floats
    target_s: Floats
    weight_v: Floats
    capacity: Floats
    reusable: NDArray[np.int64]
    speed: Floats | None = None

    @property
    def prices(self) -> SlotPrices:
        """The arrays that the compiled kernels take."""
        return SlotPrices(
            weight=self.weight,
            cost_s=self.cost_s,
            hit=self.hit,
            capacity=self.capacity,
            queue_s=self.queue_s,
            weight_v=self.weight_v,
            target_s=self.target_s,
        )
