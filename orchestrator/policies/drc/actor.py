"""The parts of DRC with their lane axis: what the network sees, its candidates and their critic, K,
its training."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from midstep.draws import EXPLORE
from orchestrator.decision.draws import key, mix
from orchestrator.decision.problem import Problem
from orchestrator.decision.slots import Choice, PricedSlots
from orchestrator.policies.drc import quantise
from orchestrator.policies.drc.memory import Memory
from orchestrator.policies.drc.network import LaneNetwork
from orchestrator.policies.drc.ranking import argsort_descending

CHANNEL_SCALE = 16.0
DEMAND_TOP = 6.0
DEMAND_SCALE = 3.0
START = 16  # samples from which on there is training; a batch has at most as many as there are
# quantiles: a look-up for 12 bits
NORMALS = np.array([NormalDist().inv_cdf((i + 0.5) / 4096) for i in range(4096)])


class Actor:
    """Network, experience pool and K of B lanes."""

    def __init__(
        self, problems: Sequence[Problem], seeds: Sequence[int], from_demand: bool = True
    ) -> None:
        items = [p.items or 0 for p in problems]
        inputs = [2 * r + 1 + p.users for r, p in zip(items, problems, strict=True)]
        demand = slice(items[0], 2 * items[0])
        self.network = LaneNetwork(inputs, items, seeds, skip=demand if from_demand else None)
        self.memory = Memory(max(inputs), max(items), seeds)
        self.seeds = np.array(seeds, np.int64)
        self.k = np.array([r + 1 for r in items])  # all prefix lengths
        self._best = np.zeros((len(items), quantise.WINDOW), np.int64)
        self._decided = 0

    @property
    def ready(self) -> bool:
        """Whether there is a batch to learn from."""
        return self.memory.seen >= START

    def state(self, slots: PricedSlots) -> NDArray[np.float32]:
        """(35): last decision j / S*, demand min(count, 6) / 3, Q, log2(1 + SNR) / 16 of each user;
        (B, inputs).

        Users come last: a lane with fewer of them has its inputs where it would have them alone.
        """
        lanes, items = slots.weight.shape
        state = np.zeros((lanes, self.memory.states.shape[2]), np.float32)
        state[:, :items] = slots.cached / slots.reusable[:, None]
        state[:, items : 2 * items] = np.minimum(slots.count, DEMAND_TOP) / DEMAND_SCALE
        state[:, 2 * items] = np.log1p(slots.queue_s / np.maximum(slots.target_s, 1e-9))
        state[:, 2 * items + 1 :] = slots.channel / CHANNEL_SCALE
        return state

    def best(
        self, relaxed: NDArray[np.float32], slots: PricedSlots, noisy: int, noise: float
    ) -> Choice:
        """Lines 5 to 9 in every lane; updates K: the best index of the last 32 slots, plus one."""
        choice = np.zeros(slots.weight.shape, np.int8)
        index = np.zeros(len(relaxed), np.int64)
        decide_lanes(
            relaxed.astype(np.float64),
            slots.weight,
            slots.count,
            slots.cost_s,
            slots.hit,
            slots.capacity,
            slots.queue_s,
            slots.weight_v,
            slots.target_s,
            self.k,
            noisy,
            noise,
            self.seeds,
            self._decided,
            choice,
            index,
        )
        self._adapt(index, slots.weight.shape[1])
        return choice

    def _adapt(self, index: NDArray[np.int64], most: int) -> None:
        self._best[:, self._decided % quantise.WINDOW] = index
        self._decided += 1
        if self._decided % quantise.WINDOW == 0:
            self.k = np.minimum(self._best.max(axis=1) + 2, most + 1)

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
            "best": self._best.copy(),
            "decided": self._decided,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.network.load_state_dict(state["network"])
        self.memory.load_state_dict(state["memory"])
        self.k = np.array(state["k"])
        self._best = np.array(state["best"])
        self._decided = int(state["decided"])


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

    def best(
        self, relaxed: NDArray[np.float32], slots: PricedSlots, noisy: int, noise: float
    ) -> Choice:
        choice = np.zeros(slots.weight.shape, np.int8)
        index = np.zeros(len(relaxed), np.int64)
        quantise.decide_steps_lanes(
            relaxed.astype(np.float64),
            slots.weight,
            slots.cost_s,
            slots.hit,
            slots.capacity,
            slots.queue_s,
            slots.weight_v,
            slots.target_s,
            self.k,
            self.steps,
            choice,
            index,
        )
        self._adapt(index, slots.weight.shape[1] * int(self.steps.max()))
        return choice

    def labels(self, choice: Choice) -> NDArray[np.float32]:
        """J*: the one-hot step of each prompt that is kept."""
        label = np.zeros((len(choice), self.memory.labels.shape[2]), np.float32)
        lane, r = np.nonzero(choice)
        label[lane, r * self.steps[lane] + choice[lane, r] - 2] = 1.0
        return label


@njit(cache=True)
def decide_lanes(
    relaxed: Any, weight: Any, count: Any, cost: Any, hit: Any, capacity: Any, queue: Any, v: Any, target: Any, k: Any,
    noisy: int, noise: float, seeds: Any, slot: int, choice: Any, index: Any,
) -> None:  # fmt: skip
    """The best candidate of each lane's own ranking, of the demand's, and of `noisy` - 1 from the
    best so far."""
    for b in range(weight.shape[0]):
        best, index[b] = quantise.decide(
            relaxed[b],
            weight[b],
            cost[b],
            hit[b],
            capacity[b],
            queue[b],
            v[b],
            target[b],
            k[b],
            choice[b],
        )
        asked = np.flatnonzero(weight[b] > 0)
        n = asked.shape[0]
        if noisy == 0 or n == 0:
            continue
        price, step = quantise.menu(asked, weight[b], cost[b], hit[b])
        compact = weight[b][asked]
        free = hit[b][asked, 0]
        share = v[b] / max(weight[b].sum(), 1e-12)
        start = quantise.nothing(compact, price, free)
        first = np.zeros(n, np.int8)
        again = np.zeros(n, np.int8)
        changed = np.empty((3, n))
        change = np.empty((3, n))
        # the same whatever the ranking
        quantise.pick(compact, price, free, share, 0.0, 0.0, first, change)
        value = np.empty(n + 1)
        logit = np.empty(n)
        moved = np.empty(n)
        order = np.empty(n, np.int64)
        scratch = np.empty(2 * n + 1, np.int64)
        for a in range(n):
            p = min(max(relaxed[b, asked[a]], 1e-6), 1 - 1e-6)
            logit[a] = np.log(p / (1 - p))
        # a network that is sure of itself is shaken as much as one that is not
        spread = noise * logit.std()
        for i in range(noisy):
            place = key(seeds[b], EXPLORE, slot, i)
            for a in range(n):
                moved[a] = (
                    logit[a] + spread * NORMALS[mix(place ^ np.uint64(asked[a])) >> np.uint64(52)]
                )
                if i == 0:  # the demand's own ranking: what the network has unlearned cannot hurt
                    moved[a] = count[b, asked[a]]
            argsort_descending(moved, order, scratch)
            taken = first
            length, missed, misses = quantise.walk(
                order, first, change, start, capacity[b], share, queue[b], target[b], value
            )
            worth = value[length]
            if (
                queue[b] > 0 and misses > 1e-12
            ):  # again with the ratio of (33) linearised around the first answer
                quantise.pick(
                    compact, price, free, share, queue[b] / misses, missed / misses, again, changed
                )
                longer, _, _ = quantise.walk(
                    order, again, changed, start, capacity[b], share, queue[b], target[b], value
                )
                if value[longer] < worth:
                    length = longer
                    worth = value[longer]
                    taken = again
            if worth < best:
                best = worth
                quantise.keep(order, length, asked, step, taken, capacity[b], choice[b])
                logit[:] = moved
