"""How popular the parts of prompts are just now: what tells a trend in prompts that nobody has asked for yet."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]
Floats = NDArray[np.float64]

DECAYS = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0, np.inf)  # e-folding times, slots
FORGET = 0.9  # of a forecast's log likelihood, per slot: parts are asked for often, so few slots tell
SMOOTH = 0.2  # requests that every part is granted

_ARRAYS = ("_count", "_like", "_total", "members", "log_share")


class PartShares:
    """Decayed shares of every part at DECAYS, and their mean weighted by how well each forecast what came.

    Memory and time grow with the number of different parts, not with that of prompts.
    """

    def __init__(self, decays: tuple[float, ...] = DECAYS) -> None:
        self._number: dict[str, int] = {}
        self._count = np.zeros((64, len(decays)))
        self._like = np.zeros((64, len(decays)))
        self._total = np.zeros(len(decays))
        self._keep = np.exp(-1 / np.array(decays))
        self.members = np.full((1024, 1), -1, np.int32)  # the parts of each item
        self.log_share = np.zeros((1, len(decays) + 1))

    def met(self, item: int, parts: tuple[str, ...]) -> None:
        """Item `item` is made of these parts."""
        numbers = [self._number.setdefault(part, len(self._number)) for part in dict.fromkeys(parts)]
        rows, most = self.members.shape
        if item >= rows or len(numbers) > most:
            grown = np.full((max(rows, 1 << int(item).bit_length()), max(most, len(numbers))), -1, np.int32)
            grown[:rows, :most] = self.members
            self.members = grown
        self.members[item, : len(numbers)] = numbers
        while len(self._number) > len(self._count):
            self._count, self._like = (np.concatenate([a, np.zeros_like(a)]) for a in (self._count, self._like))

    def observe(self, ids: Ids, counts: Ids) -> None:
        """A slot's requests: distinct items (n,) and how often each was asked for (n,)."""
        parts = self.members[ids]
        known = len(self._number)
        asked = np.bincount(
            parts[parts >= 0], np.broadcast_to(counts[:, None], parts.shape)[parts >= 0], minlength=len(self._count)
        )
        requests = float(counts.sum())
        if self._total[0]:
            forecast = requests * self._shares()
            self._like = FORGET * self._like + asked[:, None] * np.log(forecast) - forecast
        self._count = self._count * self._keep + asked[:, None]
        self._total = self._total * self._keep + requests
        share = self._shares()
        weight = np.exp(self._like - self._like.max(1, keepdims=True))
        adapted = (weight * share).sum(1) / weight.sum(1)
        self.log_share = np.log(np.concatenate([share, adapted[:, None]], 1)[: max(1, known)])

    def log_products(self, ids: Ids) -> NDArray[np.float32]:
        """Log of the share of requests that items (n,) would have if their parts were independent, by each decay and by
        the adapted shares; (n, decays + 1)."""
        from orchestrator.learning import item_kernels

        out = np.empty((len(ids), self.log_share.shape[1]), np.float32)
        item_kernels.products(ids, self.members, self.log_share, out)
        return out

    def _shares(self) -> Floats:
        return np.asarray((self._count + SMOOTH) / (self._total + SMOOTH * max(1, len(self._number))))

    def state_dict(self) -> dict[str, Any]:
        arrays = {name: getattr(self, name).copy() for name in _ARRAYS}
        return arrays | {"number": dict(self._number)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._number = dict(state["number"])
        for name in _ARRAYS:
            setattr(self, name, state[name].copy())
