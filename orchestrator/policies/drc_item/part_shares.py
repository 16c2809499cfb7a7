"""Current popularity of the parts of prompts, which shows a trend in prompts that have not been
requested yet."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["DECAYS", "PartShares"]

Ids = NDArray[np.int64]
Floats = NDArray[np.float64]

DECAYS = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0, np.inf)  # e-folding times, slots
CHANGE = 0.05  # chance that from one slot to the next another decay is the right one for a part
SMOOTH = 0.2  # requests that every part is granted

_ARRAYS = ("_count", "_belief", "_total", "_sum", "members", "log_share")


class PartShares:
    """Decayed shares of every part at DECAYS, and their mean weighted by how well each forecast
    what came.

    The weights are those of Herbster and Warmuth's fixed share (Machine Learning 32, 1998): the
    best forecaster changes as parts jump. A forecast is a Gamma belief over a part's rate, so that
    a short memory does not claim to be sure. Memory and time grow with the number of different
    parts, not with that of prompts.
    """

    def __init__(self, decays: tuple[float, ...] = DECAYS) -> None:
        self._number: dict[str, int] = {}
        self._count = np.zeros((64, len(decays)))
        self._belief = np.full((64, len(decays)), 1 / len(decays))  # in each decay
        self._total = np.zeros(len(decays))
        self._sum = np.zeros(64)  # of each part's log adapted share, once for every request
        self.requests = 0.0  # ever
        self._keep = np.exp(-1 / np.array(decays))
        self.members = np.full((1024, 1), -1, np.int32)  # the parts of each item
        self.log_share = np.zeros((64, len(decays) + 1))

    def met(self, item: int, parts: tuple[str, ...]) -> None:
        """Item `item` is made of these parts."""
        numbers = [
            self._number.setdefault(part, len(self._number)) for part in dict.fromkeys(parts)
        ]
        rows, most = self.members.shape
        if item >= rows or len(numbers) > most:
            grown = np.full(
                (max(rows, 1 << int(item).bit_length()), max(most, len(numbers))), -1, np.int32
            )
            grown[:rows, :most] = self.members
            self.members = grown
        self.members[item, : len(numbers)] = numbers
        while len(self._number) > len(self._count):
            self._count, self._sum = (
                np.concatenate([a, np.zeros_like(a)]) for a in (self._count, self._sum)
            )
            self._belief = np.concatenate(
                [self._belief, np.full_like(self._belief, 1 / self._belief.shape[1])]
            )
            self.log_share = np.concatenate(
                [self.log_share, self._log_shares()[len(self.log_share) :]]
            )

    def observe(self, ids: Ids, counts: Ids) -> None:
        """A slot's requests: distinct items (n,) and how often each was asked for (n,)."""
        from orchestrator.policies.drc_item import kernels as item_kernels

        parts = self.members[ids]
        known = len(self._number)
        requests_of = np.bincount(
            parts[parts >= 0],
            np.broadcast_to(counts[:, None], parts.shape)[parts >= 0],
            minlength=len(self._count),
        )
        requests = float(counts.sum())
        if self.requests:
            item_kernels.judge(
                requests_of[:known], requests, self._count, self._total, CHANGE, self._belief
            )
        self._count = self._count * self._keep + requests_of[:, None]
        self._total = self._total * self._keep + requests
        self.log_share = self._log_shares()
        self._sum += requests * self.log_share[:, -1]
        self.requests += requests

    def log_products(self, ids: Ids) -> NDArray[np.float32]:
        """Log of the share of requests that items (n,) would have if their parts were independent,
        by each decay and by the adapted shares; (n, decays + 1)."""
        from orchestrator.policies.drc_item import kernels as item_kernels

        out = np.empty((len(ids), self.log_share.shape[1]), np.float32)
        item_kernels.products(ids, self.members, self.log_share, out)
        return out

    def log_sums(self, ids: Ids) -> Floats:
        """Log of the adapted product of items (n,), summed over all requests ever; (n,).

        Its difference between two looks over that of `requests` is the log of the geometric mean in
        between.
        """
        from orchestrator.policies.drc_item import kernels as item_kernels

        out = np.empty((len(ids), 1))
        item_kernels.products(ids, self.members, self._sum[:, None], out)
        return out[:, 0]

    def _log_shares(self) -> Floats:
        """By each decay, and adapted; (rows, decays + 1). Rows without a part are what one unheard
        of would have."""
        share = (self._count + SMOOTH) / (self._total + SMOOTH * max(1, len(self._number)))
        adapted = (self._belief * share).sum(1, keepdims=True)
        return np.asarray(np.log(np.concatenate([share, adapted], 1)))

    def state_dict(self) -> dict[str, Any]:
        arrays = {name: getattr(self, name).copy() for name in _ARRAYS}
        return arrays | {"number": dict(self._number), "requests": self.requests}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._number = dict(state["number"])
        self.requests = float(state["requests"])
        for name in _ARRAYS:
            setattr(self, name, state[name].copy())
