"""Frequency that fades: every request counts e^(-age / e-folding time), and the store holds the
largest sums."""

from __future__ import annotations

from typing import Any

import numpy as np

from orchestrator.decision.problem import Problem
from orchestrator.policies.base import policy
from orchestrator.policies.kinds.score_planner import Floats, Ids, ScorePlanner

__all__ = ["LfuDecay"]

LEAST = -700.0  # the logarithm below which a score is given as e^LEAST: it has to stay above 0


@policy("lfu-decay")
class LfuDecay(ScorePlanner):
    """Keeps what was asked for most in the last `efold_slots` or so; it counts what it does not
    hold, too."""

    def __init__(self, efold_slots: float = 150.0) -> None:
        if not efold_slots > 0:
            raise ValueError(f"efold_slots: {efold_slots} is not above 0")
        self.efold_slots = efold_slots

    def reset(self, problem: Problem, seed: int) -> None:
        super().reset(problem, seed)
        # log of the sum of e^(t / efold) over an item's requests at t: fading lowers all alike, so
        # that nothing has to
        # be updated as time passes, and as a logarithm it grows with t but never overflows
        self._log = np.full(1024, -np.inf)

    def observe(self, ids: Ids, counts: Ids, slot: int) -> None:
        if not ids.size:
            return
        self._grow(int(ids.max()))
        self._log[ids] = np.logaddexp(self._log[ids], slot / self.efold_slots + np.log(counts))

    def scores(self, ids: Ids, slot: int) -> Floats:
        if ids.size:
            self._grow(int(ids.max()))
        faded: Floats = np.exp(np.maximum(self._log[ids] - slot / self.efold_slots, LEAST))
        return faded

    def state_dict(self) -> dict[str, Any]:
        return {**self.planning_state(), "numbers": dict(self._numbers), "log": self._log.copy()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.load_planning_state(state)
        self._numbers = dict(state["numbers"])
        self._log = np.array(state["log"], np.float64)

    def _grow(self, item: int) -> None:
        if item >= len(self._log):
            more = np.full(max(2 * len(self._log), item + 1) - len(self._log), -np.inf)
            self._log = np.concatenate([self._log, more])
