"""A run whose centre was killed: the requests that it had open get their rows, and what belongs to
a live run alone is removed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from midstep.errors import MidstepError, RecordError
from midstep.radio.fading import DeviceSpec, specs
from midstep.scenario import Scenario
from midstep.telemetry.record import RequestRow
from midstep.workload.requests import read_requests
from orchestrator.live.lost_hosts import LostHost, rows_lost_with
from orchestrator.live.membership import Member
from orchestrator.live.run_service import FILE
from orchestrator.live.target_files import write_target_files
from orchestrator.records.centre import CENTRE_NAME, Centre
from orchestrator.records.folders import read_scenario
from orchestrator.records.run_reader import read_begin, read_events, read_run

__all__ = ["complete"]

REQUESTS = "requests.jsonl"
EVENTS = "events.jsonl"


def complete(folder: Path) -> int:
    """Give every request that was open when a run's centre died a failed row; how many there were.
    Of no effect where the run lives, ended in order, or never began; and a second time.

    An open request is one that was due, by the law of arrivals, before the last instant of which
    the record tells. Raises RecordError, ScenarioError.
    """
    try:
        if not (folder / REQUESTS).is_file() or not (folder / "slots.jsonl").is_file():
            return 0
    except OSError:  # no folder can have this name: whoever reads it says so
        return 0
    begin = read_begin(folder)
    centre = _centre(begin)
    if centre is None or centre.alive:
        return 0
    rows, slots = read_run(folder)
    scenario = read_scenario(folder)
    at_s = _last_instant(rows, slots, read_events(folder), scenario.slot_seconds)
    end_s = min(scenario.duration_s, at_s, begin.get("until_s", at_s))
    lost = _hosts(_members(begin, scenario), scenario, at_s)
    try:
        ended = rows_lost_with(lost, scenario, read_requests(scenario), _by_id(rows), end_s)
    except MidstepError:  # its list of prompts is gone: what was due, nobody can say
        ended = []
    try:
        _append(folder / REQUESTS, [one.row.dict() for one in ended])
        if ended:
            text = f"{CENTRE_NAME} died: {len(ended)} requests that were open have failed"
            _append(folder / EVENTS, [{"at_s": round(at_s, 3), "text": text}])
        (folder / FILE).unlink(missing_ok=True)
        write_target_files(folder, [])
    except OSError as error:
        raise RecordError(f"{folder}: cannot be written: {error}") from error
    return len(ended)


def _centre(begin: Mapping[str, Any]) -> Centre | None:
    try:
        return Centre.of(begin["centre"])
    except (KeyError, TypeError, ValueError):
        return None


def _last_instant(
    rows: Sequence[Mapping[str, Any]],
    slots: Sequence[Mapping[str, Any]],
    events: Sequence[Mapping[str, Any]],
    slot_seconds: float,
) -> float:
    """The last instant of which the record tells, scenario seconds."""
    instants = [row["arrived_s"] + (row["total_s"] or 0.0) for row in rows]
    instants += [slot["start_s"] + slot_seconds for slot in slots if slot["late_s"] is not None]
    instants += [event["at_s"] for event in events]
    return max(instants, default=0.0)


def _members(begin: Mapping[str, Any], scenario: Scenario) -> list[Member]:
    """Who asked: those whom the run noted, or else the scenario's devices."""
    noted = begin.get("members")
    if noted is None:
        return [Member(user=one.user, kind=one.kind, edge=one.edge) for one in specs(scenario)]
    try:
        return [Member(**member) for member in noted]
    except TypeError as error:
        raise RecordError(f"begin.json: its members are damaged: {error}") from error


def _hosts(members: Sequence[Member], scenario: Scenario, at_s: float) -> list[LostHost]:
    """The members as the devices of hosts that died at that instant, or whenever they left."""
    of_user = {spec.user: spec for spec in specs(scenario)}
    hosts = []
    for one in members:
        spec = of_user.get(one.user) or _stranger(one)
        until_s = at_s if one.until_s is None else min(one.until_s, at_s)
        host = LostHost(
            devices=(replace(spec, edge=one.edge),),
            since_s={one.user: one.since_s},
            at_s=until_s,
            until_s=until_s,
            who=CENTRE_NAME,
        )
        hosts.append(host)
    return hosts


def _stranger(member: Member) -> DeviceSpec:
    """A device that came later, of which a lost row tells the number and the class alone."""
    return DeviceSpec(
        user=member.user,
        group=0,
        kind=member.kind,
        edge=member.edge,
        speed_ratio=None,
        bandwidth_hz=0.0,
        distance_m=0.0,
        watts=0.0,
    )


def _by_id(rows: Sequence[Mapping[str, Any]]) -> dict[str, RequestRow]:
    names = {field.name for field in fields(RequestRow)}
    return {
        row["request_id"]: RequestRow(**{name: row[name] for name in names if name in row})
        for row in rows
    }


def _append(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Append rows to a journal, below its last line, which may be torn. Raises OSError."""
    if not rows:
        return
    torn = path.is_file() and path.stat().st_size > 0 and path.read_bytes()[-1:] != b"\n"
    with path.open("a") as journal:
        journal.write("\n" if torn else "")
        for row in rows:
            journal.write(json.dumps(row) + "\n")
