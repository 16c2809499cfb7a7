"""Accounting of a simulated run: the rows of what has ended, and of the slots in which it did."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from midstep.scenario import Scenario
from midstep.wire.messages import HITS
from orchestrator.decision.problem import Served, slot_cost
from orchestrator.evaluation.simulator.events.asking import Asking, row_of
from orchestrator.evaluation.simulator.events.edge_queue import EdgeQueue
from orchestrator.evaluation.simulator.events.keeper import Keeper
from orchestrator.evaluation.simulator.events.population import Member, Presence
from orchestrator.records.rows import SlotRow

__all__ = ["SlotBook"]

Rows = list[dict[str, Any]]


class SlotBook:
    """Holds requests whose end is known, which may be ahead, until their slot is accounted for."""

    def __init__(self, scenario: Scenario, members: Sequence[Member]) -> None:
        self.requests: Rows = []
        self.slots: Rows = []
        self._slot_s = scenario.slot_seconds
        self._end_s = scenario.duration_s
        self._steps = scenario.model.steps
        self._presence = Presence(members)
        self._ended: list[tuple[float, int, Asking]] = []  # a heap
        self._order = itertools.count()

    @property
    def empty(self) -> bool:
        """Whether every request that was entered is accounted for."""
        return not self._ended

    @property
    def last_slot(self) -> int:
        """The last slot of a request that is not accounted for; -1 where there is none."""
        return int(max((entry[0] for entry in self._ended), default=-1.0) // self._slot_s)

    @property
    def last_end_s(self) -> float:
        """When the last request that is not accounted for ends; 0 where there is none."""
        return max((entry[0] for entry in self._ended), default=0.0)

    def enter(self, one: Asking) -> None:
        """Note a request whose end is known."""
        assert one.ended_s is not None
        heapq.heappush(self._ended, (one.ended_s, next(self._order), one))

    def withdraw(self, after_s: float) -> list[Asking]:
        """Take back the requests that would end after an instant."""
        late = [one for ended_s, _, one in self._ended if ended_s > after_s]
        self._ended = [entry for entry in self._ended if entry[0] <= after_s]
        heapq.heapify(self._ended)
        return late

    def end_slot(
        self, slot: int, now_s: float, edges: Mapping[str, tuple[EdgeQueue, Keeper]]
    ) -> None:
        """Account for a slot at every edge, now: the requests that ended before its end, and what
        the policy made of it."""
        served = {name: list[Served]() for name in edges}
        until_s = (slot + 1) * self._slot_s
        # as a row says its slot: a product of slots may be off from that by a rounding
        while self._ended and self._ended[0][0] // self._slot_s <= slot:
            one = heapq.heappop(self._ended)[2]
            row = row_of(one, self._steps, self._slot_s)
            self.requests.append(row.dict())
            if row.total_s is not None:
                served[row.edge].append(Served(row.prompt_key, row.reuse in HITS, row.total_s))
        for name, (queue, keeper) in edges.items():
            cost = slot_cost(served[name])
            row_of_slot = SlotRow(
                slot=slot,
                start_s=slot * self._slot_s,
                requests=cost.requests,
                hits=cost.hits,
                misses=cost.misses,
                latency_avg_s=cost.latency_avg_s,
                system_cost_s=cost.system_cost_s,
                late_s=None,
                edge=name,
                users=self._presence.count(name, min(until_s, self._end_s)),
                edge_queue=queue.waiting,
                edge_in_flight=queue.in_flight,
            )
            keeper.end_slot(slot, served[name], queue.work(now_s), row_of_slot)
            self.slots.append(vars(row_of_slot).copy())
