"""A slot with its prices as planners by price see it, in lanes side by side; and what they
choose."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Choice = NDArray[np.int8]


@dataclass
class PricedSlots:
    """A slot in B lanes of R items, U users, J = S* + 1 choices. Shapes:

    `weight` (B, R), as in `orchestrator.decision.exact`; `count` (B, R) requests; `cost_s`, `hit`
    (B, R, J); `channel` (B, U), log2(1 + SNR); `cached` (B, R), the step held at the slot's start,
    0 for none; `queue_s`, `target_s`, `weight_v`, `capacity` (items) and `reusable` (S*) are (B,).
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
