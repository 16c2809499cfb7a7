"""The experience pool of section 4.4: the last 1,024 states and decisions of each lane; the oldest
is replaced."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["BATCH", "SIZE", "Memory"]

SIZE = 1024
BATCH = 128


class Memory:
    """A ring of (state, decision) for B lanes, each sampled by its own generator; `total` counts
    what was ever put in."""

    def __init__(self, inputs: int, outputs: int, seeds: Sequence[int]) -> None:
        self.states = np.zeros((len(seeds), SIZE, inputs), np.float32)
        self.labels = np.zeros((len(seeds), SIZE, outputs), np.float32)
        self.total = 0
        self._draws = [np.random.Generator(np.random.Philox(key=[seed, 1])) for seed in seeds]

    def add(self, states: NDArray[np.float32], labels: NDArray[Any]) -> None:
        """Put a slot in, line 10: states (B, inputs), decisions (B, outputs)."""
        at = self.total % SIZE
        self.states[:, at] = states
        self.labels[:, at] = labels
        self.total += 1

    def sample(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Draw a batch, line 12, without repetition: states (B, batch, inputs) and decisions (B,
        batch, outputs); `batch` is BATCH, or what there is while there is less."""
        filled = min(self.total, SIZE)
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
        """The pool, and the state of its random generators."""
        dice = [draw.bit_generator.state for draw in self._draws]
        return {
            "states": self.states.copy(),
            "labels": self.labels.copy(),
            "seen": self.total,
            "dice": dice,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        self.states[:] = state["states"]
        self.labels[:] = state["labels"]
        self.total = int(state["seen"])
        for draw, dice in zip(self._draws, state["dice"], strict=True):
            draw.bit_generator.state = dice
