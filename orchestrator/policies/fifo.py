"""First in, first out: what came in longest ago leaves, however often it was used since."""

from __future__ import annotations

from collections import OrderedDict

from orchestrator.decision.problem import Problem
from orchestrator.policies.base import policy
from orchestrator.policies.kinds.eviction_rule import Rule

__all__ = ["Fifo"]


@policy("fifo")
class Fifo(Rule):
    """Keeps what came in last."""

    def reset(self, problem: Problem, seed: int) -> None:
        super().reset(problem, seed)
        self.queue: OrderedDict[str, None] = OrderedDict()  # oldest first

    def victim(self) -> str:
        return next(iter(self.queue))

    def admitted(self, key: str) -> None:
        self.queue[key] = None

    def discovered(self, key: str) -> None:
        self.queue[key] = None
        self.queue.move_to_end(key, last=False)

    def dropped(self, key: str) -> None:
        del self.queue[key]
