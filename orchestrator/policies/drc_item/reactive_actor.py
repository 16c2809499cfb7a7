"""The shared per-item network of `drc-item` in `reactive` mode, with a lane axis: price tags in,
one logit out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from orchestrator.decision.critic import fill_ranking, lane
from orchestrator.decision.slots import Choice, PricedSlots
from orchestrator.policies.drc.network import LaneNetwork

__all__ = ["ItemActor"]

WIDTH = 10
HIDDEN = (32, 32)
RATE = 3e-3
POOL = 32_768  # samples in the pool of a lane
BATCH = 1_024
FRESH = 512  # samples of a slot
FIRST = 10  # slots whose samples are awaited before the first training step


class ItemActor:
    """Network and pool of B lanes."""

    def __init__(self, seeds: Sequence[int]) -> None:
        lanes = len(seeds)
        self.network = LaneNetwork([WIDTH] * lanes, [1] * lanes, seeds, hidden=HIDDEN, rate=RATE)
        self._features = np.zeros((lanes, POOL, WIDTH), np.float32)
        self._labels = np.zeros((lanes, POOL, 1), np.float32)
        self._samples = np.zeros(lanes, np.int64)
        self._slots = 0
        self._draws = [np.random.Generator(np.random.Philox(key=[seed, 2])) for seed in seeds]

    @property
    def ready(self) -> bool:
        """Whether there is enough to learn from. Slots are counted, not samples: lanes see
        different numbers of them, and no lane waits for another."""
        return self._slots >= FIRST

    def features(self, slots: PricedSlots) -> NDArray[np.float32]:
        """Describe each prompt, (B, R, WIDTH): what it costs alone, split and cached, against the
        slot's mean; demand; Q's weight."""
        features = np.zeros((*slots.weight.shape, WIDTH), np.float32)
        price_features(slots.prices, slots.count, slots.cached, features)
        return features

    def score(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Score each prompt: features (B, R, WIDTH) -> logits (B, R)."""
        return self.network.logits(features)[:, :, 0].astype(np.float64)

    def choose(self, score: NDArray[np.float64], slots: PricedSlots) -> Choice:
        """Take the best prefix of each lane's ranking, the best step of each prompt in closed form:
        scores (B, R) -> (B, R)."""
        choice = np.zeros(slots.weight.shape, np.int8)
        choose_lanes(score, slots.prices, choice)
        return choice

    def remember(
        self, features: NDArray[np.float32], weight: NDArray[np.float64], exact: Choice
    ) -> None:
        """Put at most FRESH requested prompts of each lane into the pool, with exact P2's answer:
        features (B, R, WIDTH), weight (B, R), answers (B, R)."""
        self._slots += 1
        for b, draw in enumerate(self._draws):
            rows = np.flatnonzero(weight[b] > 0)
            if len(rows) > FRESH:
                rows = draw.choice(rows, FRESH, replace=False)
            at = (self._samples[b] + np.arange(len(rows))) % POOL
            self._features[b, at] = features[b, rows]
            self._labels[b, at, 0] = exact[b, rows] > 0
            self._samples[b] += len(rows)

    def train(self) -> float:
        """Take one training step in every lane; returns the mean loss."""
        filled = np.clip(self._samples, 1, POOL)
        rows = np.stack(
            [d.integers(n, size=BATCH) for d, n in zip(self._draws, filled, strict=True)]
        )[:, :, None]
        loss = self.network.train(
            np.take_along_axis(self._features, rows, 1), np.take_along_axis(self._labels, rows, 1)
        )
        return float(loss.mean())

    def state_dict(self) -> dict[str, Any]:
        """The weights, the pool as far as it is filled, and the state of the generators."""
        filled = int(min(self._samples.max(), POOL))
        return {
            "network": self.network.state_dict(),
            "seen": self._samples.copy(),
            "remembered": self._slots,
            "features": self._features[:, :filled].copy(),
            "labels": self._labels[:, :filled].copy(),
            "dice": [draw.bit_generator.state for draw in self._draws],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        self.network.load_state_dict(state["network"])
        self._samples = np.array(state["seen"])
        self._slots = int(state["remembered"])
        filled = state["features"].shape[1]
        self._features[:, :filled] = state["features"]
        self._labels[:, :filled] = state["labels"]
        for draw, dice in zip(self._draws, state["dice"], strict=True):
            draw.bit_generator.state = dice


@njit(cache=True)
def price_features(prices: Any, count: Any, cached: Any, features: Any) -> None:
    """Fill `features` (B, R, WIDTH), see ItemActor.features, where they are 0. The slot's mean is
    of everything computed at home; Q weighs q against v, per prompt."""
    lanes, items, choices = prices.cost_s.shape
    for b in range(lanes):
        weight = prices.weight[b]
        total_s = active = 0.0
        for r in range(items):
            if weight[r] > 0:
                total_s += prices.cost_s[b, r, 0]
                active += 1
        mean_s = total_s / max(active, 1.0)
        tilt = prices.queue_s[b] / (prices.queue_s[b] + prices.weight_v[b])
        for r in range(items):
            if weight[r] <= 0:
                continue
            cost_s = prices.cost_s[b, r]
            alone_s = cost_s[0]
            split_s = cached_s = alone_s
            for j in range(2, choices):
                if prices.hit[b, r, j]:
                    cached_s = cost_s[j]
                elif cost_s[j] < split_s:
                    split_s = cost_s[j]
            f = features[b, r]
            f[0] = 5 * (alone_s / mean_s - 1)
            f[1] = 10 * (alone_s - split_s) / mean_s - 2
            f[2] = 10 * (alone_s - cached_s) / mean_s - (2 if cached_s < alone_s else 0)
            f[3] = 1.0 if cached_s < alone_s else 0.0
            f[4] = np.log(max(count[b, r], 0.5))
            f[5] = 1.0 if cached[b, r] > 0 else 0.0
            f[6] = tilt
            f[7] = tilt * f[0]
            f[8] = tilt * f[3]
            f[9] = tilt * f[1]


@njit(cache=True)
def choose_lanes(score: Any, prices: Any, choice: Any) -> None:
    """Fill `choice` (B, R) with the best prefix of each lane's ranking by `score` (B, R)."""
    for b in range(choice.shape[0]):
        requested = np.flatnonzero(prices.weight[b] > 0)
        ranking = requested[np.argsort(-score[b][requested], kind="mergesort")]
        fill_ranking(ranking, 0, lane(prices, b), choice[b])
