"""Statistics of every item that was ever requested, and the features that the shared network
reads.

Memory grows with the items seen; a slot's work with the items touched: those asked for, and those
that are scored.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from orchestrator.policies.drc_item.part_shares import DECAYS as PART_DECAYS
from orchestrator.policies.drc_item.part_shares import PartShares

__all__ = ["FORECASTS", "NEVER", "WIDTH", "Features", "ItemTable", "K", "grown"]

Ids = NDArray[np.int64]
Floats = NDArray[np.float64]
Features = NDArray[np.float32]

DECAYS = (3.0, 8.0, 20.0, 50.0, 120.0, 300.0, 1000.0, np.inf)  # e-folding times, slots
WINDOWS = (5, 7)  # the decays over which requests are compared with what their parts let expect
# the decays of parts that say what was to be expected of an item before it was first asked for
FIRST = (
    5,
    6,
)
SHRINK = (0.5, 2.0)  # requests as expected that are added to both
SILENCE = 4096  # slots of silence that are told apart

K = len(DECAYS)
PRODUCTS = len(PART_DECAYS) + 1
# The columns of a feature row, all logarithms but for the weights and the flag:
# requests a slot, by each decay and by their mean weighted by likelihood
RATES = list(range(K + 1))
WEIGHTS = K + 1  # how likely each decay's forecasts were
# slots since the last request, between the last two, since the first; slots with requests; last
# count
TIMES = WEIGHTS + K
# the stream's: slots so far, requests a slot, share of new items
SLOT = TIMES + 5
LOAD = TIMES + 6
NEW = TIMES + 7
HAS_PARTS = TIMES + 8
# requests a slot if parts were independent, by each decay of parts and by the adapted shares
PRODUCT = HAS_PARTS + 1
_ENDS = PRODUCT + PRODUCTS + len(WINDOWS) * len(SHRINK)
# the adapted product, and corrected by the item's own ratio
EXPECTED = list(range(PRODUCT + PRODUCTS - 1, _ENDS))
WIDTH = _ENDS + len(WINDOWS)  # the last ones: requests to be expected over the windows

FORECASTS = RATES + EXPECTED  # the columns that forecast log requests a slot: the score mixes these
NEVER = -12.0  # log rate of a forecast that is not there
TINY = np.float32(1e-5)  # the rate of one that says nothing will come


def grown(array: NDArray[Any], rows: int, fill: float = 0) -> NDArray[Any]:
    """The array with room for `rows` at least: doubled as often as it takes."""
    if rows <= len(array):
        return array
    new = np.full((max(1024, 1 << (rows - 1).bit_length()), *array.shape[1:]), fill, array.dtype)
    new[: len(array)] = array
    return new


class ItemTable:
    """Counts per item at several decays, and forecasts from them. `parts`: whether prompts are made
    of known parts."""

    def __init__(self, parts: bool) -> None:
        self.slot = self.start = -1  # the last slot with requests, and the first
        self.parts = PartShares() if parts else None
        self._requests = np.zeros(K)  # of all items, decayed
        self._new = np.zeros(K)  # those for items that were new, decayed
        self._items: dict[str, NDArray[Any]] = {
            "count": np.zeros((0, K), np.float32),
            "like": np.zeros((0, K), np.float32),  # log likelihood of each decay's forecasts
            "last": np.zeros(0, np.int64),
            "gap": np.zeros(0, np.float32),
            "first": np.zeros(0, np.int64),
            "distinct": np.zeros(0, np.float32),
            "latest": np.zeros(0, np.float32),
            "expected": np.zeros((0, len(WINDOWS)), np.float32),  # requests, as of slot `updated`
            "updated": np.zeros(0, np.int64),
            "sum": np.zeros(
                0
            ),  # of the logs of the share that was expected, once for every request until then
            "requests": np.zeros(0),  # of all items until then
        }
        self._fade = np.exp(-1 / np.array(DECAYS))
        self._keep = (self._fade[:, None] ** np.arange(SILENCE)).astype(np.float32)
        # sum over the first n slots of silence
        self._faded_sum = (np.cumsum(self._keep, 1) - 1).astype(np.float32)

    def met(self, item: int, parts: tuple[str, ...]) -> None:
        """Item `item` is made of these parts."""
        if self.parts is not None:
            self.parts.met(item, parts)

    def observe(self, ids: Ids, counts: Ids, slot: int) -> None:
        """The slot's requests: distinct items (n > 0,), asked for counts (n,) times."""
        from orchestrator.policies.drc_item import kernels as item_kernels

        self._grow(ids)
        s = self._items
        fresh = ids[s["last"][ids] < 0]
        item_kernels.observe(
            ids,
            counts,
            slot,
            item_kernels.ItemCounts(*(s[name] for name in item_kernels.ItemCounts._fields)),
            item_kernels.Decays(self._keep, self._faded_sum, self._slots()),
        )
        elapsed = slot - self.slot if self.start >= 0 else 1
        self._requests = self._requests * self._fade**elapsed + counts.sum()
        self._new = self._new * self._fade**elapsed + len(fresh)
        self.slot = slot
        self.start = slot if self.start < 0 else self.start
        if self.parts is not None:
            self.parts.observe(ids, counts)
            self._expect_first(fresh)
            self._expect(ids, slot)

    @property
    def load(self) -> float:
        """Requests a slot, over some 50 slots."""
        return float(self._requests[3] / self._slots()[3])

    @property
    def new_share(self) -> float:
        """Share of requests that were for something new, over some 300 slots: what is tried out is
        dropped again."""
        return float(self._new[5] / max(self._requests[5], 1e-6))

    def last(self, ids: Ids) -> Ids:
        """The slot of each item's last request (n,), -1 where there was none."""
        self._grow(ids)
        return np.asarray(self._items["last"][ids])

    def features(self, ids: Ids, slot: int) -> Features:
        """What the network reads of items (n,) at the end of `slot`; (n, WIDTH)."""
        from orchestrator.policies.drc_item import kernels as item_kernels

        self._grow(ids)
        s = self._items
        out = np.zeros((len(ids), WIDTH), np.float32)
        rate, weight, times = (np.empty((len(ids), n), np.float32) for n in (K, K, 5))
        item_kernels.look(
            ids,
            slot,
            item_kernels.ItemCounts(*(s[name] for name in item_kernels.ItemCounts._fields)),
            item_kernels.Decays(self._keep, self._faded_sum, self._slots()),
            rate,
            weight,
            times,
        )
        np.exp(weight, out=weight)
        weight /= weight.sum(1, keepdims=True)
        out[:, :K] = np.log(rate + TINY)
        out[:, K] = np.log(np.einsum("nk,nk->n", weight, rate) + TINY)
        out[:, WEIGHTS:TIMES] = weight
        out[:, TIMES:SLOT] = np.log(times)
        out[:, SLOT] = np.log1p(slot - max(self.start, 0))
        out[:, LOAD] = np.log(self.load + 1e-6)
        out[:, NEW] = np.log(self.new_share + 1e-3)
        if self.parts is None:
            out[:, EXPECTED] = NEVER
        else:
            self._part_features(ids, slot, out)
        return out

    def _slots(self) -> NDArray[np.float32]:
        """How many slots a decayed count is over, by decay (K,)."""
        lasted = self.slot - self.start + 1
        with np.errstate(invalid="ignore"):
            slots = np.where(self._fade < 1, (1 - self._fade**lasted) / (1 - self._fade), lasted)
        return np.maximum(slots, 1).astype(np.float32)

    def _part_features(self, ids: Ids, slot: int, out: Features) -> None:
        product = self._products(ids)
        self._expect(ids, slot)
        s = self._items
        at = PRODUCT + PRODUCTS
        out[:, HAS_PARTS] = 1
        out[:, PRODUCT:at] = product
        silent = np.minimum(slot - s["last"][ids], SILENCE - 1)
        for j, k in enumerate(WINDOWS):
            actual = s["count"][ids, k] * self._keep[k, silent]
            expected = s["expected"][ids, j]
            for shrink in SHRINK:
                out[:, at] = product[:, -1] + np.log((actual + shrink) / (expected + shrink))
                at += 1
            out[:, _ENDS + j] = np.log(expected + 0.1)
        np.maximum(out[:, PRODUCT:_ENDS], NEVER + 0.01, out=out[:, PRODUCT:_ENDS])

    def _products(self, ids: Ids) -> Features:
        assert self.parts is not None
        return np.asarray(self.parts.log_products(ids) + np.float32(np.log(self.load + 1e-6)))

    def _expect(self, ids: Ids, slot: int) -> None:
        """Bring what parts let expect of items (n,) up to `slot`, as if evenly since the last look
        at them.

        The geometric mean of what was expected meanwhile costs no more than a look; a straight line
        between two looks would be biased, since trends are what brings looks.
        """
        s = self._items
        passed = np.minimum(slot - s["updated"][ids], SILENCE - 1)
        total, requests = self._sums(ids)
        since = requests - s["requests"][ids]
        with np.errstate(invalid="ignore"):
            share = np.exp(np.where(since > 0, (total - s["sum"][ids]) / since, -np.inf))
        a_slot = since * share / np.maximum(passed, 1)
        for j, k in enumerate(WINDOWS):
            over = np.where(passed > 0, self._faded_sum[k, np.maximum(passed - 1, 0)] + 1, 0)
            s["expected"][ids, j] = s["expected"][ids, j] * self._keep[k, passed] + a_slot * over
        s["updated"][ids] = slot
        s["sum"][ids] = total
        s["requests"][ids] = requests

    def _expect_first(self, ids: Ids) -> None:
        """What was to be expected of new items (n,) before anyone asked: as their parts were asked
        for until now."""
        s = self._items
        product = self._products(ids)
        slots = self._slots()
        for j, k in enumerate(WINDOWS):
            s["expected"][ids, j] = np.exp(product[:, FIRST[j]]) * slots[k]
        s["updated"][ids] = self.slot
        s["sum"][ids], s["requests"][ids] = self._sums(ids)

    def _sums(self, ids: Ids) -> tuple[Floats, float]:
        assert self.parts is not None
        return self.parts.log_sums(ids), self.parts.requests

    def _grow(self, ids: Ids) -> None:
        top = int(ids.max(initial=-1)) + 1
        if top > len(self._items["last"]):
            self._items = {
                name: grown(old, top, -1 if name == "last" else 0)
                for name, old in self._items.items()
            }

    def state_dict(self) -> dict[str, Any]:
        return {
            "slot": self.slot,
            "start": self.start,
            "requests": self._requests.copy(),
            "new": self._new.copy(),
            "items": {name: value.copy() for name, value in self._items.items()},
            "parts": None if self.parts is None else self.parts.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.slot = int(state["slot"])
        self.start = int(state["start"])
        self._requests = state["requests"].copy()
        self._new = state["new"].copy()
        self._items = {name: value.copy() for name, value in state["items"].items()}
        if self.parts is not None and state["parts"] is not None:
            self.parts.load_state_dict(state["parts"])
