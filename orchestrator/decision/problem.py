"""The policy's problem and a slot's account: the costs (15) to (17), the virtual queue (23), the
objective (33)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import KW_ONLY, dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from orchestrator.decision import objective
from orchestrator.decision.step_times import StepTimes

__all__ = [
    "TARGET_SLOTS",
    "WEIGHT_V",
    "Prices",
    "Problem",
    "Served",
    "SlotCost",
    "Truth",
    "VirtualQueue",
    "slot_cost",
]

WEIGHT_V = 1.8  # V of (33), seconds: 1800 in milliseconds
TARGET_SLOTS = 10  # slots with misses whose mean becomes Lbar where the scenario gives none


class Truth(Protocol):
    """The true law behind the requests, which only a simulated workload knows. Items are numbered
    0..items-1."""

    def rates(self, slot: int) -> NDArray[np.float64]:
        """Expected requests of each item in `slot`, shape (items,)."""

    def ranks(self) -> NDArray[np.float64]:
        """The popularity law: expected requests a slot at each rank, most popular first, shape
        (items,)."""

    @property
    def hazard(self) -> float:
        """Chance that an item changes its rank within a slot."""


@dataclass(frozen=True)
class Problem:
    """The problem that a policy has to solve, all but the first three by keyword.

    `capacity` bytes for outputs of `frame_bytes` each (most of them), cached at `split_step` of
    `steps`, at most at `reusable_steps` (S*; 0: the split step). `items` is R where the catalogue
    is closed, None where it is open; `number` maps a prompt's key to its place among them, else
    prompts are numbered in the order of their first requests. `parts` says what a prompt is made
    of, where that is known; `truth` and `future` come from simulations and traces alone.

    `times` is there where every request has its own cut and the plan names steps, up to S;
    `cut_rule` says how. `several` steps of a prompt may then be held, else one (11).
    """

    capacity: int
    steps: int
    split_step: int
    _: KW_ONLY
    frame_bytes: int = 500_000
    reusable_steps: int = 0
    items: int | None = None
    users: int = 1
    edge: Literal["coupled", "shared"] = "shared"
    timing: Literal["reactive", "proactive", "access"] = "proactive"
    weight_v: float = WEIGHT_V
    parts: Callable[[str], tuple[str, ...]] | None = None
    number: Callable[[str], int] | None = None
    truth: Truth | None = None
    future: tuple[str, ...] | None = None
    times: StepTimes | None = None
    cut_rule: str = "fixed"
    several: bool = False

    @property
    def places(self) -> int:
        """How many outputs of the usual size fit."""
        return self.capacity // self.frame_bytes

    @property
    def last_step(self) -> int:
        """S*: the last step whose output may be kept."""
        return self.reusable_steps or self.split_step


@dataclass(frozen=True)
class Prices:
    """Prices of each choice in a slot whose requests are known (`reactive`): row i is the
    prompt `keys[i]`.

    Shapes: `count` (n,) requests; `cost_s` (n, S*+1), L_r(j) of (15) for j = 0 (nothing kept), 1
    (never), 2..S*; `hit` (n, S*+1), whether that choice is served from the cache (O = 0); `channel`
    (U,), log2(1 + SNR); `target_s`, Lbar.
    """

    keys: tuple[str, ...]
    count: NDArray[np.int64]
    cost_s: NDArray[np.float64]
    hit: NDArray[np.bool_]
    channel: NDArray[np.float64]
    target_s: float


@dataclass(frozen=True)
class Served:
    """One request that ended in the slot: its prompt, whether the store served it, its response
    time in seconds."""

    prompt_key: str
    hit: bool
    latency_s: float


@dataclass(frozen=True)
class SlotCost:
    """`latency_avg_s`: L_avg of (16), 0 without a miss; `system_cost_s`: L of (17); `prompts`:
    |A|."""

    requests: int
    hits: int
    misses: int
    prompts: int
    latency_avg_s: float
    system_cost_s: float


def slot_cost(served: Iterable[Served]) -> SlotCost:
    """L_r is the slowest of a prompt's requesters (15); a prompt misses where any of its requests
    did (12)."""
    worst: dict[str, float] = {}
    # in order: a set's differs from process to process, and a sum's last bit with it
    missed: dict[str, None] = {}
    requests = hits = 0
    for request in served:
        requests += 1
        hits += request.hit
        worst[request.prompt_key] = max(worst.get(request.prompt_key, 0.0), request.latency_s)
        if not request.hit:
            missed[request.prompt_key] = None
    average = sum(worst[key] for key in missed) / len(missed) if missed else 0.0
    return SlotCost(requests, hits, requests - hits, len(worst), average, sum(worst.values()))


class VirtualQueue:
    """The Lyapunov queue Q of (23), seconds. Without a target, Lbar is the mean L_avg of the first
    slots with misses, and Q stays 0 until it is known."""

    def __init__(self, target_s: float | None = None, weight_v: float = WEIGHT_V) -> None:
        self.target_s = target_s
        self.queue_s = 0.0
        self._weight_v = weight_v
        self._averages_s: list[float] = []  # L_avg of the slots that set the target

    def update(self, cost: SlotCost) -> float:
        """Q(t+1) = max(Q(t) + L_avg(t) - Lbar, 0); a slot that served nothing changes nothing."""
        if not cost.requests:
            return self.queue_s
        if self.target_s is None:
            if cost.misses:
                self._averages_s.append(cost.latency_avg_s)
            if len(self._averages_s) >= TARGET_SLOTS:
                self.target_s = sum(self._averages_s) / len(self._averages_s)
            return self.queue_s
        self.queue_s = max(self.queue_s + cost.latency_avg_s - self.target_s, 0.0)
        return self.queue_s

    def state_dict(self) -> dict[str, Any]:
        """The state, for load_state_dict."""
        return {"target_s": self.target_s, "queue_s": self.queue_s, "seen": list(self._averages_s)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state; the scenario's target, where there is one, is kept."""
        self.target_s = state["target_s"] if self.target_s is None else self.target_s
        self.queue_s = state["queue_s"]
        self._averages_s = list(state["seen"])

    def drift_plus_penalty(self, cost: SlotCost) -> float:
        """The objective (33) of slot t, seconds squared, with Q(t): to be called before `update`,
        which makes Q(t+1) of it."""
        target_s = cost.latency_avg_s if self.target_s is None else self.target_s
        penalty = self._weight_v * cost.system_cost_s / max(1, cost.prompts)
        return objective.drift_plus_penalty(cost.latency_avg_s, penalty, self.queue_s, target_s)
