"""Hosts that died while users asked, and the arrivals that nobody sent for their devices."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from midstep.radio.fading import DeviceSpec
from midstep.telemetry.metrics import counter
from midstep.telemetry.record import RequestRow
from midstep.workload.arrivals import open_law
from midstep.workload.requests import open_workload
from orchestrator.live.launch import Launch
from orchestrator.live.setting import asks_whole_prompt
from orchestrator.records.rows import EndedRequest
from user_agent.dropped import DroppedArrivals

__all__ = ["LostHost", "dropped_with"]


@dataclass(frozen=True)
class LostHost:
    """A host that died: its name, its edge, its devices, and when that was noticed."""

    name: str
    edge: str
    devices: Sequence[DeviceSpec]
    at_s: float


def dropped_with(
    lost: Iterable[LostHost], launch: Launch, rows: Mapping[str, RequestRow], end_s: float
) -> list[EndedRequest]:
    """The open arrivals of lost hosts that were due between their death and `end_s`. Closed users
    wait for an answer that never comes: nothing of theirs is due.

    An arrival's number and instant follow from the device's last row, by the law alone.
    """
    scenario = launch.scenario
    law = open_law(scenario, launch.requests)
    arrivals = DroppedArrivals(
        law=law,
        workload=open_workload(scenario, launch.requests),
        slot_seconds=scenario.slot_seconds,
        whole_prompt=asks_whole_prompt(scenario),
    )
    last = _last_arrivals(rows.values())
    ended = list[EndedRequest]()
    for host in lost:
        for spec in host.devices:
            number, since_s = last.get(spec.user, (-1, 0.0))
            window_s = (host.at_s, end_s)
            error = f"it was never sent: {host.name} had died"
            dropped = arrivals.rows(spec, host.edge, number + 1, since_s, window_s, error)
            for row in dropped:
                if row.think_s is None:
                    counter("arrivals_dropped_total", host.edge).inc()
                    ended.append(EndedRequest(row, None))
    return ended


def _last_arrivals(rows: Iterable[RequestRow]) -> dict[int, tuple[int, float]]:
    """The number and the due instant of each user's last request."""
    last: dict[int, tuple[int, float]] = {}
    for row in rows:
        number = int(row.request_id.rpartition("-")[2])
        if number > last.get(row.user, (-1, -math.inf))[0] and row.due_s is not None:
            last[row.user] = number, row.due_s
    return last
