"""Accounting of slots: which requests belong to which slot, each slot's row, and whether the run
keeps its commanded times."""

from __future__ import annotations

from collections.abc import Iterable

from midstep.scenario import Scenario
from midstep.telemetry.record import RequestRow
from midstep.telemetry.writers import RunMetrics
from midstep.wire.messages import HITS
from orchestrator.decision.problem import Served, slot_cost
from orchestrator.live.cell import Cell, EdgeStatus
from orchestrator.live.slot_decision import Decision
from orchestrator.records.fidelity import bound_s
from orchestrator.records.recorder import Recorder
from orchestrator.records.rows import EndedRequest, SlotRow
from orchestrator.records.warm_up import due_s

__all__ = ["SlotAccounts"]

VALID_SHARE = 0.98  # of the commanded times that must be met for run_valid


class SlotAccounts:
    """Holds ended requests until their slot is accounted for: one that was drained early waits for
    its own slot."""

    def __init__(self, scenario: Scenario, recorder: Recorder, metrics: RunMetrics) -> None:
        self._slot_seconds = scenario.slot_seconds
        self._warmup_s = scenario.warmup_s
        self._virtual = scenario.modes.clock == "virtual"
        self._coupled = scenario.modes.edge == "coupled"
        self._ended_slots = 0
        self._recorder = recorder
        self._metrics = metrics
        self._waiting: list[EndedRequest] = []
        self._in_time = 0
        self._commanded = 0

    def add(self, ended: list[EndedRequest]) -> None:
        """Record ended requests at once; they are accounted for with their slot."""
        self._recorder.ended(ended)
        ended = [one for one in ended if not one.again]
        done = [one for one in ended if one.row.result == "done"]
        measured = [one for one in done if due_s(vars(one.row)) >= self._warmup_s]
        self._judge([_in_time(one) for one in measured])
        self._waiting += ended

    def note_slot_end(self, late_s: float) -> None:
        """Note that a slot's end was noticed `late_s` late."""
        self._metrics.slot_late(late_s)
        if self._ended_slots * self._slot_seconds >= self._warmup_s:
            self._judge([late_s <= bound_s(self._slot_seconds)])
        self._ended_slots += 1
        self._metrics.event("slot")

    def served(self, edge: str, slot: int) -> list[Served]:
        """The finished requests of an edge that belong to a slot."""
        return [
            Served(one.row.prompt_key, one.row.reuse in HITS, self._latency_s(one.row))
            for one in self._waiting
            if one.row.slot <= slot and one.row.edge == edge and one.row.result == "done"
        ]

    def _latency_s(self, row: RequestRow) -> float:
        """What a request took. On a coupled edge the stages of (14) alone: Lbar is the closed
        model's, which has no hand-overs between processes and no wait for the plan."""
        total_s = row.total_s or 0.0
        return total_s - (row.overhead_s or 0.0) if self._coupled else total_s

    def write(
        self,
        cell: Cell,
        slot: int,
        late_s: float | None,
        served: Iterable[Served],
        status: EdgeStatus | None,
        decision: Decision | None,
    ) -> SlotRow:
        """Record a slot's row of one edge. `late_s` None: nobody waited for this slot's end;
        `status` or `decision` None: the edge or its learner did not answer."""
        cost = slot_cost(served)
        users = len(cell.devices)
        self._metrics.users(cell.name, users)
        row = SlotRow(
            slot=slot,
            start_s=slot * self._slot_seconds,
            requests=cost.requests,
            hits=cost.hits,
            misses=cost.misses,
            latency_avg_s=cost.latency_avg_s,
            system_cost_s=cost.system_cost_s,
            late_s=late_s,
            edge=cell.name,
            users=users,
        )
        if status is not None:
            row.edge_queue = status.queue
            row.edge_in_flight = status.in_flight
            self.ticks(cell, status)
        if decision is not None:
            _enter(row, decision)
            if not self._virtual:  # a wall clock's time is none of virtual time's
                row.decision_s = decision.decision_s
        self._recorder.slot(row)
        return row

    def ticks(self, cell: Cell, status: EdgeStatus) -> None:
        """Record an edge's ticks since its last status."""
        self._recorder.ticks(cell.name, status.ticks)

    def close(self, slot: int) -> None:
        """Drop the requests of a slot that is accounted for at every edge."""
        self._waiting = [one for one in self._waiting if one.row.slot > slot]

    @property
    def last_slot(self) -> int:
        """The last slot of a request that waits to be accounted for; -1 where none waits."""
        return max((one.row.slot for one in self._waiting), default=-1)

    def _judge(self, in_time: list[bool]) -> None:
        """Update run_valid: whether 98 % of the commanded times so far were met within bounds."""
        self._in_time += sum(in_time)
        self._commanded += len(in_time)
        self._metrics.valid(self._in_time >= VALID_SHARE * self._commanded)


def _enter(row: SlotRow, decision: Decision) -> None:
    """Write a decision's columns into a slot's row."""
    row.queue_s = decision.queue_s
    row.store_bytes = decision.store_bytes
    row.store_entries = decision.store_entries
    row.admitted = decision.admitted
    row.evicted = decision.evicted
    row.gap_to_exact = decision.gap_to_exact
    row.drift_plus_penalty = decision.drift_plus_penalty
    if decision.stats is not None:
        row.loss = decision.stats.loss
        row.k = decision.stats.k
        row.updates = decision.stats.updates


def _in_time(ended: EndedRequest) -> bool:
    row = ended.row
    pairs = (
        (row.arrival_late_s, row.total_s),
        (row.uplink_late_s, row.uplink_s),
        (row.transfer_late_s, row.transfer_s),
        (row.device_late_s, row.device_s),
    )
    return all(
        late_s is None or stage_s is None or late_s <= bound_s(stage_s) for late_s, stage_s in pairs
    )
