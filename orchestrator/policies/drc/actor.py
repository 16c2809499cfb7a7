"""The actor of DRC with its lane axis: the state (35), the network's decision and its quantisation,
the adaptive K, the experience pool and training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orchestrator.decision.problem import Problem
from orchestrator.decision.slots import Choice, PricedSlots
from orchestrator.policies.drc import quantise
from orchestrator.policies.drc.memory import Memory
from orchestrator.policies.drc.network import LaneNetwork

__all__ = ["Actor", "StepActor"]

CHANNEL_SCALE = 16.0
DEMAND_TOP = 6.0
DEMAND_SCALE = 3.0
START = 16  # samples from which on there is training; a batch has at most as many as there are
WINDOW = 32  # slots whose best candidate sets the next K


class Actor:
    """Network, experience pool and K of B lanes."""

    def __init__(
        self, problems: Sequence[Problem], seeds: Sequence[int], from_demand: bool = True
    ) -> None:
        items = [p.items or 0 for p in problems]
        inputs = [
            2 * r + 1 + (1 if p.times is None else 2) * p.users
            for r, p in zip(items, problems, strict=True)
        ]
        demand = slice(items[0], 2 * items[0])
        self.network = LaneNetwork(inputs, items, seeds, skip=demand if from_demand else None)
        self.memory = Memory(max(inputs), max(items), seeds)
        self.seeds = np.array(seeds, np.int64)
        self.k = np.array([r + 1 for r in items])  # all prefix lengths
        self._best_index = np.zeros((len(items), WINDOW), np.int64)
        self._decisions = 0

    @property
    def ready(self) -> bool:
        """Whether there is a batch to learn from."""
        return self.memory.total >= START

    def state(self, slots: PricedSlots) -> NDArray[np.float32]:
        """(35): last decision j / S*, demand min(count, 6) / 3, Q, log2(1 + SNR) / 16 of each user,
        and where a live plan names steps the speed of each as a share of their mean; (B, inputs).

        Users come last: a lane with fewer of them has its inputs where it would have them alone.
        """
        lanes, items = slots.weight.shape
        state = np.zeros((lanes, self.memory.states.shape[2]), np.float32)
        state[:, :items] = slots.cached / slots.reusable[:, None]
        state[:, items : 2 * items] = np.minimum(slots.count, DEMAND_TOP) / DEMAND_SCALE
        state[:, 2 * items] = np.log1p(slots.queue_s / np.maximum(slots.target_s, 1e-9))
        users = slice(2 * items + 1, 2 * items + 1 + slots.channel.shape[1])
        state[:, users] = slots.channel / CHANNEL_SCALE
        if slots.speed is not None:
            mean = np.maximum(slots.speed.mean(axis=1, keepdims=True), 1e-9)
            state[:, users.stop :] = slots.speed / mean
        return state

    def choose(
        self, relaxed: NDArray[np.float32], slots: PricedSlots, rankings: int, noise: float
    ) -> Choice:
        """Choose, lines 5 to 9, in every lane: (B, outputs) -> (B, R). Updates K: the largest index
        of a best candidate in the last 32 slots, plus one.

        Beside the network's own ranking stand `rankings` others, after the first with `noise`
        (`quantise.Exploration`).
        """
        choice = np.zeros(slots.weight.shape, np.int8)
        index = quantise.choose_prompts_lanes(
            relaxed.astype(np.float64),
            slots.count,
            slots.prices,
            self.k,
            quantise.Exploration(rankings, noise, self._decisions, self.seeds),
            choice,
        )
        self._adapt(index, slots.weight.shape[1])
        return choice

    def _adapt(self, index: NDArray[np.int64], most: int) -> None:
        self._best_index[:, self._decisions % WINDOW] = index
        self._decisions += 1
        if self._decisions % WINDOW == 0:
            self.k = np.minimum(self._best_index.max(axis=1) + 2, most + 1)

    def labels(self, choice: Choice) -> NDArray[np.float32]:
        """J*: which prompts are kept."""
        return (choice > 0).astype(np.float32)

    def train(self) -> float:
        """Lines 12, 13; the mean loss over lanes."""
        return float(self.network.train(*self.memory.sample()).mean())

    def state_dict(self) -> dict[str, Any]:
        return {
            "network": self.network.state_dict(),
            "memory": self.memory.state_dict(),
            "k": self.k.copy(),
            "best": self._best_index.copy(),
            "decided": self._decisions,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.network.load_state_dict(state["network"])
        self.memory.load_state_dict(state["memory"])
        self.k = np.array(state["k"])
        self._best_index = np.array(state["best"])
        self._decisions = int(state["decided"])


class StepActor(Actor):
    """`drc-paper`: one output for every prompt and step 2..S*, steps of a prompt side by side."""

    def __init__(self, problems: Sequence[Problem], seeds: Sequence[int], first_k: int) -> None:
        super().__init__(problems, seeds)
        self.steps = np.array([p.last_step - 1 for p in problems])
        items = [p.items or 0 for p in problems]
        inputs = list(self.network.inputs)
        outputs = [r * int(s) for r, s in zip(items, self.steps, strict=True)]
        self.network = LaneNetwork(inputs, outputs, seeds)
        self.memory = Memory(max(inputs), max(outputs), seeds)
        self.k = np.full(len(items), first_k)

    def choose(
        self, relaxed: NDArray[np.float32], slots: PricedSlots, rankings: int = 0, noise: float = 0
    ) -> Choice:
        """Choose, lines 5 to 9 as printed: nothing explores beside the network's ranking."""
        choice = np.zeros(slots.weight.shape, np.int8)
        index = quantise.choose_steps_lanes(
            relaxed.astype(np.float64), slots.prices, self.k, self.steps, choice
        )
        self._adapt(index, slots.weight.shape[1] * int(self.steps.max()))
        return choice

    def labels(self, choice: Choice) -> NDArray[np.float32]:
        """J*: the one-hot step of each prompt that is kept."""
        label = np.zeros((len(choice), self.memory.labels.shape[2]), np.float32)
        lane, r = np.nonzero(choice)
        label[lane, r * self.steps[lane] + choice[lane, r] - 2] = 1.0
        return label
