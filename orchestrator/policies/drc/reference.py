"""DRC for one lane, to be read beside Algorithm 1 of the paper: torch.nn, Adam, Python's loops.

It is the same algorithm as `policy.py` with its kernels, number for number: the same candidates
(36), (37), exploring rankings, critic (33), K, memory, batches and training interval, and sums in
the same order. tests/orchestrator/policies/drc/test_reference.py holds the fast one to it;
`benchmarks.learners` measures what lanes and kernels gain over it. It is plain, not slow on
purpose: the critic keeps running sums along a ranking instead of pricing every candidate anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from midstep.draws import EXPLORE
from orchestrator.decision.draws import key, mix
from orchestrator.decision.objective import drift_plus_penalty, miss_average
from orchestrator.decision.slots import PricedSlots
from orchestrator.policies.drc.actor import (
    CHANNEL_SCALE,
    DEMAND_SCALE,
    DEMAND_TOP,
    START,
    WINDOW,
)
from orchestrator.policies.drc.memory import BATCH, SIZE
from orchestrator.policies.drc.network import HIDDEN, LAST, RATE, SKIP
from orchestrator.policies.drc.policy import INTERVAL, NOISE, RANKINGS
from orchestrator.policies.drc.quantise import NORMALS

__all__ = ["Critic", "Plan", "ReferenceDrc", "candidates", "descending", "normals"]

State = NDArray[np.float32]


class ReferenceDrc:
    """Algorithm 1 in one lane of R items and U users; `seed` is the lane's."""

    def __init__(self, items: int, users: int, seed: int) -> None:
        """Line 1: the network's weights at random, the memory empty, K as large as can be."""
        self.items = items
        self.seed = seed
        self.network = nn.Sequential(
            nn.Linear(2 * items + 1 + users, HIDDEN[0]),
            nn.ReLU(),
            nn.Linear(*HIDDEN),
            nn.ReLU(),
            nn.Linear(HIDDEN[1], items),
        )
        self.layers = [layer for layer in self.network if isinstance(layer, nn.Linear)]
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():  # section 4.3: zero-mean normal, biases 0
            for layer in self.layers:
                into = layer.in_features
                out = layer.out_features
                scale = (2.0 / into) ** 0.5 * (LAST if layer is self.layers[-1] else 1.0)
                layer.weight.copy_((torch.randn(into, out, generator=generator) * scale).T)
                layer.bias.zero_()
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=RATE)
        self.memory: list[tuple[State, State]] = []
        self.draw = np.random.Generator(np.random.Philox(key=[seed, 1]))
        self.slot = 0  # slots decided
        self.k = items + 1
        self.best_index: list[int] = []

    def decide(self, slots: PricedSlots) -> list[int]:
        """Lines 3 to 10 for lane 0 of `slots`: the step to keep of each prompt, 0 for none."""
        state = self.state(slots)  # line 3
        relaxed = self.relax(state)  # line 4
        choice = self.choose(relaxed, slots)  # lines 5 to 9
        self.remember(state, np.array([step > 0 for step in choice], np.float32))  # line 10
        return choice

    def state(self, slots: PricedSlots) -> State:
        """(35), shape (2 R + 1 + U,): last decision, demand, Q, channel."""
        return np.concatenate(
            [
                slots.cached[0] / slots.reusable[0],
                np.minimum(slots.count[0], DEMAND_TOP) / DEMAND_SCALE,
                np.log1p(slots.queue_s[:1] / np.maximum(slots.target_s[:1], 1e-9)),
                slots.channel[0] / CHANNEL_SCALE,
            ]
        ).astype(np.float32)

    def relax(self, state: State) -> list[float]:
        """Line 4: the relaxed decision (R,), each in (0, 1)."""
        with torch.no_grad():
            relaxed = torch.sigmoid(self.logits(torch.from_numpy(state)[None]))
        numbers: list[float] = relaxed[0].tolist()
        return numbers

    def logits(self, states: Any) -> Any:
        """What the sigmoid is taken of: the layers' answer and, past them, the demand."""
        return self.network(states) + SKIP * states[:, self.items : 2 * self.items]

    def choose(self, relaxed: Sequence[float], slots: PricedSlots) -> list[int]:
        """Lines 5 to 9: quantise, price, take the best; then K."""
        critic = Critic(slots)
        requested = critic.requested
        own = descending([relaxed[r] for r in requested])
        # lines 5, 6: the first K candidates (36), (37) of the network's own ranking
        lengths = candidates([relaxed[requested[a]] for a in own])[: self.k]
        best = critic.best([requested[a] for a in own], lengths, margin=1e-15)  # lines 7 to 9
        index = best.place
        # LyDROO's addition: the demand's ranking, and noisy ones from the best so far, all prefixes
        p = np.clip([relaxed[r] for r in requested], 1e-6, 1 - 1e-6)
        logit = np.log(p / (1 - p))
        spread = NOISE * logit.std()
        for i in range(RANKINGS):
            if i == 0:
                score = slots.count[0][requested]
            else:
                score = logit + spread * normals(self.seed, self.slot, i, requested)
            ranking = [requested[a] for a in descending(score.tolist())]
            other = critic.best(ranking, range(len(ranking) + 1), margin=0.0)
            if other.value < best.value:
                best = other
                logit = score
        # K for the slots to come: the best index of the last WINDOW slots, plus one
        self.best_index.append(index)
        self.slot += 1
        if self.slot % WINDOW == 0:
            self.k = min(max(self.best_index[-WINDOW:]) + 2, self.items + 1)
        return best.choice

    def remember(self, state: State, label: State) -> None:
        """Line 10: put (state, J*) into the memory; the oldest is replaced."""
        if len(self.memory) < SIZE:
            self.memory.append((state, label))
        else:
            self.memory[(self.slot - 1) % SIZE] = (state, label)

    def learn(self) -> float | None:
        """Lines 11 to 13: every INTERVAL slots one step of Adam on a batch; the loss (38)."""
        if self.slot % INTERVAL or len(self.memory) < START:  # line 11
            return None
        rows = self.draw.permutation(len(self.memory))[:BATCH]  # line 12
        states = torch.from_numpy(np.stack([self.memory[row][0] for row in rows]))
        labels = torch.from_numpy(np.stack([self.memory[row][1] for row in rows]))
        # line 13, (38): the cross-entropy averaged over outputs and over the batch
        loss = nn.functional.binary_cross_entropy_with_logits(self.logits(states), labels)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return float(loss.item())


def normals(seed: int, slot: int, ranking: int, requested: Sequence[int]) -> NDArray[np.float64]:
    """Standard normal numbers of a ranking, one for each of `requested`: they depend on seed, slot,
    ranking and prompt alone."""
    place = int(key(seed, EXPLORE, slot, ranking))
    return np.array([NORMALS[int(mix(np.uint64(place ^ r))) >> 52] for r in requested])


def descending(values: Sequence[float]) -> list[int]:
    """The places of `values` along which they fall; equals stay in their order."""
    return sorted(range(len(values)), key=lambda place: -values[place])


def candidates(falling: Sequence[float]) -> list[int]:
    """(36), (37): how many of the entries, which fall, each candidate keeps: first those above 0.5,
    then those down to the entry nearest to 0.5, to the second nearest, and so on."""
    lengths = [len([x for x in falling if x > 0.5])]
    for near in sorted(range(len(falling)), key=lambda place: abs(falling[place] - 0.5)):
        threshold = falling[near]
        if threshold <= 0.5:
            lengths.append(len([x for x in falling if x >= threshold]))
        else:
            lengths.append(len([x for x in falling if x > threshold]))
    return lengths


class Plan(NamedTuple):
    """A candidate: its objective (33), its step of each prompt (R,), its place among the
    candidates."""

    value: float
    choice: list[int]
    place: int


class Critic:
    """Prices prefixes of a ranking by (33), the best step of each prompt in closed form; lane 0 of
    `slots`."""

    def __init__(self, slots: PricedSlots) -> None:
        self.cost_s = slots.cost_s[0].tolist()
        self.hit = slots.hit[0].tolist()
        self.weight = slots.weight[0].tolist()
        self.requested: list[int] = np.flatnonzero(slots.weight[0] > 0).tolist()
        self.capacity = int(slots.capacity[0] + 1e-9)
        self.queue_s = float(slots.queue_s[0])
        self.target_s = float(slots.target_s[0])
        self.share = float(slots.weight_v[0]) / max(float(slots.weight[0].sum()), 1e-12)

    def best(self, ranking: Sequence[int], lengths: Sequence[int], margin: float) -> Plan:
        """The first prefix of these lengths that is best by more than `margin`.

        (33) has a ratio: it is linearised, so that each prompt's step has a closed form. At first a
        miss costs nothing beside its time; once more with q = Q / M around the best, M its misses.
        """
        best = Plan(float("inf"), [0] * len(self.cost_s), 0)
        q = level_s = 0.0
        for _ in range(2 if self.queue_s > 0 else 1):
            steps = {r: self.best_step(r, q, level_s) for r in ranking}
            values = self.price(ranking, steps)
            least = best.value
            better = None
            for place, length in enumerate(lengths):
                if values[length] < least - margin:
                    least = values[length]
                    better = place
            if better is not None:
                best = Plan(least, self.fill(ranking[: lengths[better]], steps), better)
            missed_s, misses = self.misses(best.choice)
            if misses <= 1e-12:
                break
            q = self.queue_s / misses
            level_s = missed_s / misses
        return best

    def best_step(self, r: int, q: float, level_s: float) -> int:
        """The step of prompt r with the least V L / |A| + q (L - level) [miss]; 0, nothing."""
        cost_s = self.cost_s[r]
        best = 0
        least = self.share * cost_s[0] + (0.0 if self.hit[r][0] else q * (cost_s[0] - level_s))
        for j in range(2, len(cost_s)):
            if cost_s[j] == float("inf"):
                continue
            worth = self.share * cost_s[j]
            if not self.hit[r][j]:
                worth += q * (cost_s[j] - level_s)
            if worth < least:
                least = worth
                best = j
        return best

    def price(self, ranking: Sequence[int], steps: dict[int, int]) -> list[float]:
        """(33) of each prefix of `ranking`, (n + 1,): the first that fit are kept (10)."""
        system_s = missed_s = misses = 0.0
        for r in self.requested:
            system_s += self.weight[r] * self.cost_s[r][0]
            if not self.hit[r][0]:
                missed_s += self.weight[r] * self.cost_s[r][0]
                misses += self.weight[r]
        values = [self.objective(system_s, missed_s, misses)]
        room = self.capacity
        for r in ranking:
            j = steps[r]
            if j > 0 and room > 0:
                room -= 1
                was_missed_s = 0.0 if self.hit[r][0] else self.cost_s[r][0]
                is_missed_s = 0.0 if self.hit[r][j] else self.cost_s[r][j]
                system_s += self.weight[r] * (self.cost_s[r][j] - self.cost_s[r][0])
                missed_s += self.weight[r] * (is_missed_s - was_missed_s)
                misses += self.weight[r] * (int(self.hit[r][0]) - int(self.hit[r][j]))
            values.append(self.objective(system_s, missed_s, misses))
        return values

    def fill(self, prefix: Sequence[int], steps: dict[int, int]) -> list[int]:
        """The choice (R,) of a prefix."""
        choice = [0] * len(self.cost_s)
        room = self.capacity
        for r in prefix:
            if steps[r] > 0 and room > 0:
                room -= 1
                choice[r] = steps[r]
        return choice

    def misses(self, choice: Sequence[int]) -> tuple[float, float]:
        """The sum and the weight of what misses, which (16) averages."""
        missed = [r for r in self.requested if not self.hit[r][choice[r]]]
        return (
            sum(self.weight[r] * self.cost_s[r][choice[r]] for r in missed),
            sum(self.weight[r] for r in missed),
        )

    def objective(self, system_s: float, missed_s: float, misses: float) -> float:
        """(33)."""
        average_s = miss_average(missed_s, misses)
        return drift_plus_penalty(average_s, self.share * system_s, self.queue_s, self.target_s)
