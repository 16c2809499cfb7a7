"""The shared per-item network of `drc-item` in `reactive` mode, with a lane axis: price tags in,
one logit out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from orchestrator.decision.slots import Choice, PricedSlots
from orchestrator.policies.drc.network import LaneNetwork
from orchestrator.policies.drc.quantise import best_prefix

WIDTH = 10
HIDDEN = (32, 32)
RATE = 3e-3
KEPT = 32_768  # samples in the pool of a lane
BATCH = 1_024
FRESH = 512  # samples of a slot
FIRST = 10  # slots whose samples are awaited before the first training step


class ItemActor:
    """Network and pool of B lanes."""

    def __init__(self, seeds: Sequence[int]) -> None:
        lanes = len(seeds)
        self.network = LaneNetwork([WIDTH] * lanes, [1] * lanes, seeds, hidden=HIDDEN, rate=RATE)
        self._features = np.zeros((lanes, KEPT, WIDTH), np.float32)
        self._labels = np.zeros((lanes, KEPT, 1), np.float32)
        self._seen = np.zeros(lanes, np.int64)
        self._remembered = 0
        self._draws = [np.random.Generator(np.random.Philox(key=[seed, 2])) for seed in seeds]

    @property
    def ready(self) -> bool:
        """Whether there is enough to learn from. Slots are counted, not samples: lanes see
        different numbers of them, and no lane waits for another."""
        return self._remembered >= FIRST

    def features(self, slots: PricedSlots) -> NDArray[np.float32]:
        """(B, R, WIDTH): what a prompt costs alone, split and cached, against the slot's mean;
        demand; Q's weight."""
        made = np.zeros((*slots.weight.shape, WIDTH), np.float32)
        describe(
            slots.weight,
            slots.count,
            slots.cost_s,
            slots.hit,
            slots.cached,
            slots.queue_s,
            slots.weight_v,
            slots.target_s,
            made,
        )
        return made

    def score(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """(B, R) logits."""
        return self.network.logits(features)[:, :, 0].astype(np.float64)

    def best(self, score: NDArray[np.float64], slots: PricedSlots) -> Choice:
        """The best prefix of each lane's ranking, the best step of each prompt in closed form."""
        choice = np.zeros(slots.weight.shape, np.int8)
        _best(
            score,
            slots.weight,
            slots.cost_s,
            slots.hit,
            slots.capacity,
            slots.queue_s,
            slots.weight_v,
            slots.target_s,
            choice,
        )
        return choice

    def remember(
        self, features: NDArray[np.float32], weight: NDArray[np.float64], exact: Choice
    ) -> None:
        """At most FRESH requested prompts of each lane, with exact P2's answer."""
        self._remembered += 1
        for b, draw in enumerate(self._draws):
            rows = np.flatnonzero(weight[b] > 0)
            if len(rows) > FRESH:
                rows = draw.choice(rows, FRESH, replace=False)
            at = (self._seen[b] + np.arange(len(rows))) % KEPT
            self._features[b, at] = features[b, rows]
            self._labels[b, at, 0] = exact[b, rows] > 0
            self._seen[b] += len(rows)

    def train(self) -> float:
        """One step in every lane; the mean loss."""
        filled = np.clip(self._seen, 1, KEPT)
        rows = np.stack(
            [d.integers(n, size=BATCH) for d, n in zip(self._draws, filled, strict=True)]
        )[:, :, None]
        loss = self.network.train(
            np.take_along_axis(self._features, rows, 1), np.take_along_axis(self._labels, rows, 1)
        )
        return float(loss.mean())

    def state_dict(self) -> dict[str, Any]:
        """Weights, the pool as far as it is filled, and the dice."""
        filled = int(min(self._seen.max(), KEPT))
        return {
            "network": self.network.state_dict(),
            "seen": self._seen.copy(),
            "remembered": self._remembered,
            "features": self._features[:, :filled].copy(),
            "labels": self._labels[:, :filled].copy(),
            "dice": [draw.bit_generator.state for draw in self._draws],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        self.network.load_state_dict(state["network"])
        self._seen = np.array(state["seen"])
        self._remembered = int(state["remembered"])
        filled = state["features"].shape[1]
        self._features[:, :filled] = state["features"]
        self._labels[:, :filled] = state["labels"]
        for draw, dice in zip(self._draws, state["dice"], strict=True):
            draw.bit_generator.state = dice


@njit(cache=True)
def describe(
    weight: Any,
    count: Any,
    cost: Any,
    hit: Any,
    cached: Any,
    queue: Any,
    v: Any,
    target: Any,
    made: Any,
) -> None:
    """See ItemActor.features. The slot's mean is of everything kept away; Q weighs q against v, per
    prompt."""
    for b in range(weight.shape[0]):
        total = active = 0.0
        for r in range(weight.shape[1]):
            if weight[b, r] > 0:
                total += cost[b, r, 0]
                active += 1
        mean = total / max(active, 1.0)
        tilt = queue[b] / (queue[b] + v[b])
        for r in range(weight.shape[1]):
            if weight[b, r] <= 0:
                continue
            split = found = cost[b, r, 0]
            for j in range(2, cost.shape[2]):
                if hit[b, r, j]:
                    found = cost[b, r, j]
                elif cost[b, r, j] < split:
                    split = cost[b, r, j]
            f = made[b, r]
            alone = cost[b, r, 0]
            f[0] = 5 * (alone / mean - 1)
            f[1] = 10 * (alone - split) / mean - 2
            f[2] = 10 * (alone - found) / mean - (2 if found < alone else 0)
            f[3] = 1.0 if found < alone else 0.0
            f[4] = np.log(max(count[b, r], 0.5))
            f[5] = 1.0 if cached[b, r] > 0 else 0.0
            f[6] = tilt
            f[7] = tilt * f[0]
            f[8] = tilt * f[3]
            f[9] = tilt * f[1]


@njit(cache=True)
def _best(
    score: Any,
    weight: Any,
    cost: Any,
    hit: Any,
    capacity: Any,
    queue: Any,
    v: Any,
    target: Any,
    choice: Any,
) -> None:
    for b in range(weight.shape[0]):
        asked = np.flatnonzero(weight[b] > 0)
        order = asked[np.argsort(-score[b][asked], kind="mergesort")]
        best_prefix(
            order, weight[b], cost[b], hit[b], capacity[b], queue[b], v[b], target[b], choice[b]
        )
