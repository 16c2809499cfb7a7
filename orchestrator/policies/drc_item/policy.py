"""Our scalable learner: one small network, shared by all items, says how often each will be asked
for next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from orchestrator.decision.problem import Problem
from orchestrator.policies.base import LearnerStats, Policy, policy
from orchestrator.policies.kinds.score_planner import Floats, Ids, ScorePlanner

if TYPE_CHECKING:
    from orchestrator.policies.drc_item.scorer import Trainer, Weights

__all__ = ["DrcItem"]

REPLAY = 100_000  # samples: 200 slots of them where much is asked for
PER_SLOT = 512  # samples taken of a slot at most; no more than it had requests
REUSE = 8  # how often a sample is learned from, on average
BATCH = 1024
YOUNGEST = 10  # slots that a sample waits for its label
LEARNING_RATE = 1e-3
# samples: with fewer, steps are as much smaller; what was shipped knows more than some hundred
# samples
ENOUGH = 10_000
# an item that was silent for n slots is scored anew every 1 + n / PATIENCE slots: little has
# changed
PATIENCE = 8
RECENT = 200_000  # requests among which samples are taken: what is silent for longer has no say


@policy("drc-item")
class DrcItem(ScorePlanner):
    """Keeps what the network expects to be asked for most in the slots to come.

    Its size does not depend on the catalogue; memory grows with the items seen, work with those
    touched in a slot. It starts from shipped weights, trained on generated streams
    (training/scorer.py), and goes on learning from requests. Where a slot's prices are known before
    its plan (`reactive`), another network of the same size decides (`price_twin`).
    """

    learns: ClassVar[bool] = True
    remembers_scores: ClassVar[bool] = True  # items that are silent are scored anew now and then

    def __init__(self, weights: Weights | None = None, reuse: float = REUSE) -> None:
        self._initial = weights
        self._reuse = reuse

    def reset(self, problem: Problem, seed: int) -> None:
        from orchestrator.policies.drc_item import features as items
        from orchestrator.policies.drc_item import samples, scorer

        super().reset(problem, seed)
        self._weights = scorer.load() if self._initial is None else self._initial
        self._table = items.ItemTable(problem.parts is not None)
        self._samples = samples.Samples(REPLAY)
        self._random = np.random.default_rng([seed, 51])
        self._trainer: Trainer | None = None
        self._recent = np.zeros(0, np.int64)  # items, once for each slot that asked for them
        self._score = np.zeros(0)
        self._scored = np.zeros(0, np.int64)  # the slot of each item's score
        self._slot = 0
        self._unsampled = 0  # requests since samples were last taken
        self._due = 0.0  # samples that may be learned from
        self._updates = 0

    def price_twin(self) -> Policy:
        from orchestrator.policies.drc_item.reactive import ReactiveDrcItem

        return ReactiveDrcItem()

    def met(self, item: int, prompt: str) -> None:
        if self.problem.parts is not None:
            self._table.met(item, self.problem.parts(prompt))

    def observe(self, ids: Ids, counts: Ids, slot: int) -> None:
        self._slot = slot
        if len(ids):
            self._samples.observe(ids, counts, slot)
            self._table.observe(ids, counts, slot)
            self._recent = np.concatenate([self._recent, ids])[-RECENT:]
            self._unsampled += int(counts.sum())

    def scores(self, ids: Ids, slot: int) -> Floats:
        from orchestrator.policies.drc_item import scorer

        self._grow(ids)
        silent = slot - self._table.last(ids)
        # parts trend while the item is silent
        patience = PATIENCE if self.problem.parts is None else 3 * PATIENCE
        due = ids[(self._scored[ids] < 0) | (slot - self._scored[ids] > silent // patience)]
        if len(due):
            self._score[due] = np.exp(
                scorer.log_scores(self._weights, self._table.features(due, slot))
            )
            self._scored[due] = slot
        return self._score[ids]

    def _grow(self, ids: Ids) -> None:
        from orchestrator.policies.drc_item.features import grown

        top = int(ids.max(initial=-1)) + 1
        self._score = grown(self._score, top)
        self._scored = grown(self._scored, top, -1)

    def learn(self) -> LearnerStats | None:
        chosen = self._take()
        losses = []
        while self._due >= BATCH:
            drawn = self._samples.draw(BATCH, self._slot, YOUNGEST, self._random)
            self._due -= BATCH
            if drawn is not None:
                self._training().pace(LEARNING_RATE * min(1.0, self._samples.total / ENOUGH))
                losses.append(self._training().step(*drawn))
                self._updates += 1
        return LearnerStats(float(np.mean(losses)), chosen, self._updates) if losses else None

    def _take(self) -> int:
        """Remember some items as they look now: of those asked for recently, each as often as it
        was."""
        wanted = min(self._unsampled, PER_SLOT)
        self._unsampled = 0
        if not wanted:
            return 0
        chosen = np.unique(self._recent[self._random.integers(0, len(self._recent), wanted)])
        self._samples.add(chosen, self._table.features(chosen, self._slot), self._slot)
        self._due += self._reuse * len(chosen)
        return len(chosen)

    def _training(self) -> Trainer:
        from orchestrator.policies.drc_item import scorer

        if self._trainer is None:
            self._trainer = scorer.Trainer(self._weights, LEARNING_RATE)
            self._weights = self._trainer.weights
        return self._trainer

    def state_dict(self) -> dict[str, Any]:
        """Everything: what was counted, the samples, the network, the optimiser, the dice."""
        return {
            **self.planning_state(),
            "numbers": dict(self._numbers),
            "table": self._table.state_dict(),
            "samples": self._samples.state_dict(),
            "trainer": None if self._trainer is None else self._trainer.state_dict(),
            "score": self._score.copy(),
            "scored": self._scored.copy(),
            "random": self._random.bit_generator.state,
            "recent": self._recent.copy(),
            "slot": self._slot,
            "asked": self._unsampled,
            "due": self._due,
            "updates": self._updates,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.load_planning_state(state)
        self._numbers = dict(state["numbers"])
        self._table.load_state_dict(state["table"])
        self._samples.load_state_dict(state["samples"])
        self._score = np.array(state["score"])
        self._scored = np.array(state["scored"])
        self._trainer = None
        if state["trainer"] is not None:
            self._training().load_state_dict(state["trainer"])
        self._random.bit_generator.state = state["random"]
        self._recent = state["recent"].copy()
        self._slot = int(state["slot"])
        self._unsampled = int(state["asked"])
        self._due = float(state["due"])
        self._updates = int(state["updates"])
