"""The experience pool of section 4.4: the last 1,024 states and decisions of each lane; the oldest
is replaced."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

SIZE = 1024
BATCH = 128


class Memory:
    """A ring of (state, decision) for B lanes, each sampled by its own generator."""

    def __init__(self, inputs: int, outputs: int, seeds: Sequence[int]) -> None:
        self.states = np.zeros((len(seeds), SIZE, inputs), np.float32)
        self.labels = np.zeros((len(seeds), SIZE, outputs), np.float32)
        self.seen = 0
        self._draws = [np.random.Generator(np.random.Philox(key=[seed, 1])) for seed in seeds]

    def add(self, states: NDArray[np.float32], labels: NDArray[Any]) -> None:
        """Line 10; (B, inputs) and (B, outputs)."""
        at = self.seen % SIZE
        self.states[:, at] = states
        self.labels[:, at] = labels
        self.seen += 1

    def sample(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Line 12: (B, BATCH, ...) of what was really put in, without repetition; fewer while there
        are fewer."""
        filled = min(self.seen, SIZE)
        batch = min(BATCH, filled)
        states, labels = (
            np.empty((len(a), batch, a.shape[2]), np.float32) for a in (self.states, self.labels)
        )
        for lane, draw in enumerate(self._draws):
            rows = draw.permutation(filled)[:batch]
            states[lane] = self.states[lane, rows]
            labels[lane] = self.labels[lane, rows]
        return states, labels

    def state_dict(self) -> dict[str, Any]:
        """What was seen, and the dice."""
        dice = [draw.bit_generator.state for draw in self._draws]
        return {
            "states": self.states.copy(),
            "labels": self.labels.copy(),
            "seen": self.seen,
            "dice": dice,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        self.states[:] = state["states"]
        self.labels[:] = state["labels"]
        self.seen = int(state["seen"])
        for draw, dice in zip(self._draws, state["dice"], strict=True):
            draw.bit_generator.state = dice
