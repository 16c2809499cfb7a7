"""A planner that learns something small: how often each prompt was asked for; it keeps the most
asked for."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

from midstep.wire.messages_control import CacheUpdate
from orchestrator.decision.problem import Problem
from orchestrator.policies import LearnerStats, Policy, SlotRecord, base


class Tiny(Policy):
    """`goes_on`: a training lasts until this is set; `every`: calls of learn for one training;
    `fails`: raise in it; `overlaps`: calls that met another one; `trains`: a training has begun."""

    name = "tiny"
    learns = True
    goes_on: threading.Event | None = None
    every = 1
    fails = False

    def reset(self, problem: Problem, seed: int) -> None:
        self.problem = problem
        self.count = {}
        self.updates = 0
        self.batch = np.zeros(0)
        self.threads: list[str] = []
        self.trains = threading.Event()
        self.overlaps = 0
        self._inside = False

    def plan(self, slot: SlotRecord) -> CacheUpdate:
        self._enter()
        for access in slot.accesses:
            self.count[access.prompt_key] = self.count.get(access.prompt_key, 0) + 1
        every = {h.prompt_key: h for h in (*slot.available.store, *slot.available.staging)}
        best = sorted(every, key=lambda key: -self.count.get(key, 0))[: self.problem.places]
        held = {h.prompt_key for h in slot.available.store}
        self._inside = False
        return CacheUpdate(
            tuple((key, every[key].step) for key in best if key not in held),
            tuple(k for k in held if k not in best),
        )

    def learn(self) -> LearnerStats | None:
        self._enter()
        self.threads.append(threading.current_thread().name)
        self.trains.set()
        if self.goes_on is not None:
            assert self.goes_on.wait(20), "nobody let the training end"
        self._inside = False
        if len(self.threads) % self.every:
            return None
        if self.fails:
            raise ArithmeticError("the loss is not a number")
        self.updates += 1
        self.batch = np.arange(self.updates, dtype=np.float32)
        return LearnerStats(1 / self.updates, 3, self.updates)

    def state_dict(self) -> dict[str, Any]:
        return {"count": self.count, "updates": self.updates, "batch": self.batch}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.count = state["count"]
        self.updates = state["updates"]
        self.batch = state["batch"]

    def _enter(self) -> None:
        self.overlaps += self._inside
        self._inside = True


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> type[Tiny]:
    """The policy under its name, in a class of its own, for one test."""
    policy_class = type("Tiny", (Tiny,), {})
    monkeypatch.setitem(base._REGISTRY, "tiny", policy_class)
    return policy_class
