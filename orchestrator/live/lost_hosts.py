"""Hosts that died while users asked: the rows that they took with them, and the arrivals that
nobody sent for their devices."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from midstep.radio.fading import DeviceSpec
from midstep.scenario import Scenario
from midstep.telemetry.metrics import counter
from midstep.telemetry.record import RequestRow
from midstep.workload.arrivals import open_law
from midstep.workload.requests import open_workload
from midstep.workload.trace import Trace
from orchestrator.live.setting import asks_whole_prompt
from orchestrator.records.reconciliation import died
from orchestrator.records.rows import EndedRequest
from user_agent.dropped import DroppedArrivals
from user_agent.member import RETRY_S

__all__ = ["LostHost", "rows_lost_with"]


@dataclass(frozen=True, kw_only=True)
class LostHost:
    """A host that died, or of which devices were dismissed as their edge had died: those devices,
    the instants from which their arrivals count (0 where it has none), when the death was noticed,
    and `who` died. A dismissed host still hands over the rows of what it has sent. `planned`:
    an event of the timeline killed it. Its devices asked until `until_s`, if not until the run's
    end."""

    devices: Sequence[DeviceSpec]
    since_s: Mapping[int, float]
    at_s: float
    who: str
    dismissed: bool = False
    planned: bool = False
    until_s: float = math.inf


def rows_lost_with(
    lost: Iterable[LostHost],
    scenario: Scenario,
    requests: Trace | None,
    rows: Mapping[str, RequestRow],
    end_s: float,
) -> list[EndedRequest]:
    """The rows that a run lacks as hosts have died, where users asked until `end_s`; `rows`, by
    request id, are those that it has; `requests` those of the scenario's list or trace.

    When an open arrival is due follows from the law alone: one that has no row is failed where it
    was due before the death was noticed, and dropped where it was due later. A closed user waits
    for its picture: it had one request in flight at most, and nothing of it is due later.
    """
    law = open_law(scenario, requests)
    arrivals = DroppedArrivals(
        law=law,
        workload=open_workload(scenario, requests),
        slot_seconds=scenario.slot_seconds,
        whole_prompt=asks_whole_prompt(scenario),
    )
    last = _last_rows(rows.values()) if law.closed else {}
    ended = list[EndedRequest]()
    accounted = set(rows)  # a user who was handed over is a device of two edges
    for host in lost:
        if law.closed and host.dismissed:
            continue
        until_s = min(host.at_s if law.closed else host.until_s, end_s)
        for spec in host.devices:
            index = 0
            since_s = host.since_s.get(spec.user, 0.0)
            if spec.user in last:
                index, since_s = _next(last[spec.user], scenario.slot_seconds)
            error = f"it was never sent: {host.who} had died"
            for row in arrivals.rows(spec, spec.edge, index, since_s, until_s, error):
                if row.request_id not in accounted:
                    accounted.add(row.request_id)
                    ended.append(EndedRequest(_judged(row, host, scenario), None))
    return ended


def _judged(row: RequestRow, host: LostHost, scenario: Scenario) -> RequestRow:
    """A missing row, failed where it was due before the death was noticed; counted."""
    assert row.due_s is not None
    if row.due_s > host.at_s:
        counter("arrivals_dropped_total", row.edge).inc()
        return row
    row.result = "failed"
    row.error = died(host.who)
    row.arrived_s = row.due_s
    row.slot = int(host.at_s // scenario.slot_seconds)
    counter("requests_total", row.edge, scenario.policy.name, row.result, "none").inc()
    return row


def _last_rows(rows: Iterable[RequestRow]) -> dict[int, RequestRow]:
    """Each user's last request."""
    last: dict[int, RequestRow] = {}
    for row in rows:
        if row.user not in last or _number(row) > _number(last[row.user]):
            last[row.user] = row
    return last


def _next(row: RequestRow, slot_seconds: float) -> tuple[int, float]:
    """The number of a closed user's next request, and the instant from which that counts: the
    answer, or, of a request that was not done, when it can have failed at the earliest."""
    if row.total_s is not None:
        return _number(row) + 1, row.arrived_s + row.total_s
    return _number(row) + 1, max(row.arrived_s, row.slot * slot_seconds) + RETRY_S


def _number(row: RequestRow) -> int:
    return int(row.request_id.rpartition("-")[2])
