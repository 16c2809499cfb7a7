"""Training samples of the scorer: features of items some slots ago, and the number of requests for
them since."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from orchestrator.policies.drc_item.features import WIDTH, Features, grown

__all__ = ["Samples", "horizon"]

Ids = NDArray[np.int64]
Floats = NDArray[np.float64]


_KEPT = ("_features", "_item", "_slot", "_before", "_label")

SLOTS = 10.0
REQUESTS = 2_000.0
LONGEST = 400.0


def horizon(requests: float) -> float:
    """How many slots count as "next" where a slot has this many requests: 10, or 2,000 requests if
    that is longer, since where little is asked for a slot is short beside the time that an output
    stays; at most 400. Every slot plans anew, so that what a trend will be when it has passed
    should not count against it now."""
    return min(max(SLOTS, REQUESTS / requests), LONGEST)


class Samples:
    """The last `room` samples; their labels grow with every slot that passes.

    A label is the sum over later slots of discount**lag * requests, an exposure the same sum with
    ones: both over the slots that have passed, so that samples of any age can be learned from.
    Requests are kept as a running sum per item, O(1) a request, whose difference between two slots
    is the label.
    """

    def __init__(self, room: int, horizon_slots: float | None = None) -> None:
        """`horizon_slots`: the e-folding time of the discount; left out, the first slot's load
        decides."""
        self.discount = 0.0 if horizon_slots is None else float(np.exp(-1 / horizon_slots))
        self.total = 0  # ever
        self._features = np.zeros((room, WIDTH), np.float32)
        self._item = np.zeros(room, np.int64)
        self._slot = np.zeros(room, np.int64)
        self._before = np.zeros(room)  # the item's running sum when the sample was taken
        self._label = np.zeros(room)  # what the label was when the sums began anew, at `base`
        self._running = np.zeros(1)  # of each item: sum of discount**(slot - base) * requests
        self._base = 0

    def observe(self, ids: Ids, counts: Ids, slot: int) -> None:
        """A slot's requests: distinct items (n,), asked for counts (n,) times."""
        if not self.discount:
            self.discount = float(np.exp(-1 / horizon(float(counts.sum()))))
        self._running = grown(self._running, int(ids.max(initial=-1)) + 1)
        if slot - self._base > 8 / (
            1 - self.discount
        ):  # new terms would get lost in the sums of old ones
            every = np.arange(len(self._item))
            self._label[every] = self._labels(every)
            self._running[:] = 0
            self._before[:] = 0
            self._base = slot
        self._running[ids] += counts * self.discount ** (slot - self._base)

    def add(self, ids: Ids, features: Features, slot: int) -> None:
        """Items (n,) as they looked at the end of `slot`; the oldest samples make room."""
        self._running = grown(self._running, int(ids.max(initial=-1)) + 1)
        at = (self.total + np.arange(len(ids))) % len(self._item)
        self._features[at] = features
        self._item[at] = ids
        self._slot[at] = slot
        self._before[at] = self._running[ids]
        self._label[at] = 0
        self.total += len(ids)

    def draw(
        self, n: int, slot: int, least_slots: int, random: np.random.Generator
    ) -> tuple[Features, Floats, Floats] | None:
        """About n features (m, WIDTH), exposures (m,), labels (m,) of samples `least_slots` old;
        None: too few are."""
        filled = min(self.total, len(self._item))
        if not filled:
            return None
        at = random.integers(0, filled, n)
        age = slot - self._slot[at]
        at = at[age >= least_slots]
        age = age[age >= least_slots]
        if 2 * len(at) < n:
            return None
        exposure = np.asarray(
            (1 - self.discount ** age.astype(np.float64)) / (1 - self.discount), np.float64
        )
        return self._features[at], exposure, self._labels(at)

    def _labels(self, at: Ids) -> Floats:
        since = self._running[self._item[at]] - self._before[at]
        return np.asarray(
            self._label[at] + since * self.discount ** (self._base - self._slot[at] - 1.0)
        )

    def state_dict(self) -> dict[str, Any]:
        filled = min(self.total, len(self._item))
        columns = {name: getattr(self, name)[:filled].copy() for name in _KEPT}
        return columns | {
            "running": self._running.copy(),
            "base": self._base,
            "taken": self.total,
            "discount": self.discount,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name in _KEPT:
            getattr(self, name)[: len(state[name])] = state[name]
        self._running = state["running"].copy()
        self._base = int(state["base"])
        self.total = int(state["taken"])
        self.discount = float(state["discount"])
