"""DRC for one lane as people write it: torch.nn, Adam, and loops in Python. What
`benchmarks.learners` compares with.

The same algorithm, number for number: candidates (36), (37), noisy rankings, critic, K, memory,
batch, training interval. It is plain, not slow on purpose: arrays become lists before they are
looped over, and the critic keeps running sums along a ranking instead of pricing every candidate
anew.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from orchestrator.decision.slots import PricedSlots
from orchestrator.policies.drc.actor import CHANNEL_SCALE, DEMAND_SCALE, DEMAND_TOP
from orchestrator.policies.drc.memory import BATCH, SIZE
from orchestrator.policies.drc.network import HIDDEN, RATE, SKIP
from orchestrator.policies.drc.policy import INTERVAL, NOISE, NOISY
from orchestrator.policies.drc.quantise import WINDOW

Noise = Callable[[int, int], NDArray[np.float64]]  # (slot, ranking) -> (R,) of normal numbers


class PlainDrc:
    """Algorithm 1 in one lane of R items and U users."""

    def __init__(self, items: int, users: int, noise: Noise) -> None:
        self.items = items
        self.noise = noise
        self.net = nn.Sequential(
            nn.Linear(2 * items + 1 + users, HIDDEN[0]),
            nn.ReLU(),
            nn.Linear(*HIDDEN),
            nn.ReLU(),
            nn.Linear(HIDDEN[1], items),
        )
        self.optimizer = torch.optim.Adam(self.net.parameters(), lr=RATE)
        self.memory: list[tuple[NDArray[np.float32], NDArray[np.float32]]] = []
        self.slot = 0
        self.k = items + 1
        self.best_index: list[int] = []
        self.random = np.random.default_rng(0)

    def copy_weights(self, parameters: list[Any]) -> None:
        """From lane 0 of a `LaneNetwork`."""
        layers = [layer for layer in self.net if isinstance(layer, nn.Linear)]
        with torch.no_grad():
            for layer, weight, bias in zip(layers, parameters[::2], parameters[1::2], strict=True):
                layer.weight.copy_(weight[0].T)
                layer.bias.copy_(bias[0, 0])

    def forward(self, states: Any) -> Any:
        return self.net(states) + SKIP * states[:, self.items : 2 * self.items]

    def decide(self, slots: PricedSlots) -> list[int]:
        """The step to keep of each prompt, 0 for none."""
        state = np.concatenate(
            [
                slots.cached[0] / slots.reusable[0],
                np.minimum(slots.count[0], DEMAND_TOP) / DEMAND_SCALE,
                np.log1p(slots.queue_s / slots.target_s),
                slots.channel[0] / CHANNEL_SCALE,
            ]
        ).astype(np.float32)
        with torch.no_grad():
            relaxed = torch.sigmoid(self.forward(torch.from_numpy(state)[None]))[0].tolist()
        critic = Critic(slots)
        ranking = sorted(critic.asked, key=lambda r: -relaxed[r])
        lengths = candidates([relaxed[r] for r in ranking])
        best, choice, index = critic.best(ranking, lengths[: self.k])
        logit = np.log(np.clip(relaxed, 1e-6, 1 - 1e-6) / (1 - np.clip(relaxed, 1e-6, 1 - 1e-6)))
        spread = NOISE * logit[critic.asked].std()
        for i in range(NOISY):
            # first the demand's own
            moved = logit + spread * self.noise(self.slot, i) if i else slots.count[0]
            value = moved.tolist()
            ranking = sorted(critic.asked, key=lambda r: -value[r])
            worth, other, _ = critic.best(ranking, list(range(len(ranking) + 1)))
            if worth < best:
                best = worth
                choice = other
                logit = moved
        self.remember(state, np.array([j > 0 for j in choice], np.float32))
        self.best_index.append(index)
        self.slot += 1
        if self.slot % WINDOW == 0:
            self.k = min(max(self.best_index[-WINDOW:]) + 2, self.items + 1)
        return choice

    def remember(self, state: NDArray[np.float32], label: NDArray[np.float32]) -> None:
        """The oldest is replaced."""
        if len(self.memory) < SIZE:
            self.memory.append((state, label))
        else:
            self.memory[self.slot % SIZE] = (state, label)

    def learn(self) -> float | None:
        """A training step every INTERVAL slots."""
        if self.slot % INTERVAL or len(self.memory) < BATCH:
            return None
        rows = self.random.choice(len(self.memory), BATCH, replace=False)
        states = torch.from_numpy(np.stack([self.memory[r][0] for r in rows]))
        labels = torch.from_numpy(np.stack([self.memory[r][1] for r in rows]))
        loss = nn.functional.binary_cross_entropy_with_logits(self.forward(states), labels)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return float(loss.item())


def candidates(falling: list[float]) -> list[int]:
    """(36), (37): how many of the entries, which fall, each candidate keeps."""
    lengths = [sum(x > 0.5 for x in falling)]
    for near in sorted(range(len(falling)), key=lambda i: abs(falling[i] - 0.5)):
        threshold = falling[near]
        lengths.append(sum(x >= threshold if threshold <= 0.5 else x > threshold for x in falling))
    return lengths


class Critic:
    """Prices prefixes of a ranking by (33), the best step of each prompt in closed form."""

    def __init__(self, slots: PricedSlots) -> None:
        self.cost = slots.cost_s[0].tolist()
        self.hit = slots.hit[0].tolist()
        self.items = len(self.cost)
        self.capacity = int(slots.capacity[0])
        self.queue = float(slots.queue_s[0])
        self.target = float(slots.target_s[0])
        self.asked = np.flatnonzero(slots.weight[0]).tolist()
        self.share = float(slots.weight_v[0]) / len(self.asked)

    def best(self, ranking: list[int], lengths: list[int]) -> tuple[float, list[int], int]:
        """The best of these prefixes: its objective, its choice, its place in `lengths`."""
        best = float("inf")
        choice = [0] * self.items
        index = 0
        q = level = 0.0
        for _ in range(2 if self.queue > 0 else 1):
            values, steps = self.walk(ranking, q, level)
            for i, length in enumerate(lengths):
                if values[length] < best - 1e-15:
                    best = values[length]
                    index = i
                    choice = [0] * self.items
                    for r in ranking[:length]:
                        choice[r] = steps[r]
            missed = [self.cost[r][choice[r]] for r in self.asked if not self.hit[r][choice[r]]]
            if not missed:
                break
            q = self.queue / len(missed)
            level = sum(missed) / len(missed)
        return best, choice, index

    def walk(self, ranking: list[int], q: float, level: float) -> tuple[list[float], list[int]]:
        """The objective of each prefix, and each prompt's step."""
        steps = [0] * self.items
        system = missed = sum(self.cost[r][0] for r in self.asked)
        misses = len(self.asked)
        used = 0
        values = [self.objective(system, missed, misses)]
        for r in ranking:
            cost = self.cost[r]
            hit = self.hit[r]
            least = self.share * cost[0] + q * (cost[0] - level)
            step = 0
            for j in range(2, len(cost)):
                worth = self.share * cost[j] + (0.0 if hit[j] else q * (cost[j] - level))
                if worth < least:
                    least = worth
                    step = j
            if step and used < self.capacity:
                used += 1
                steps[r] = step
                system += cost[step] - cost[0]
                missed += (0.0 if hit[step] else cost[step]) - cost[0]
                misses -= hit[step]
            values.append(self.objective(system, missed, misses))
        return values, steps

    def objective(self, system: float, missed: float, misses: int) -> float:
        average = missed / misses if misses else 0.0
        return self.queue * (average - self.target) + self.share * system
