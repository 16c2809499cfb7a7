"""trace.json of a run: its record as Chrome trace events, for ui.perfetto.dev or chrome://tracing.

Times are whole microseconds of the scenario, each boundary rounded once: slices of a track nest or
follow each other, as the format wants it. Rows become text as they are read, so that a run of many
devices takes no more memory than its columns.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import pyarrow as pa

from midstep.errors import RecordError
from midstep.json_text import parse_json
from midstep.whole_file import replacing
from orchestrator.records.folders import read_scenario
from orchestrator.records.frames import record_table
from orchestrator.records.request_slices import (
    COLUMNS,
    Slice,
    lanes,
    microseconds,
    request_slices,
    span,
)
from orchestrator.records.run_reader import read_events

__all__ = ["TRACE", "write"]

TRACE = "trace.json"
BATCH = 10_000  # rows that are Python objects at a time

Row = Mapping[str, Any]


def write(folder: Path) -> Path:
    """Write folder/trace.json from the run's record, in place of an older one. Raises RecordError,
    and ScenarioError for the folder's scenario."""
    scenario = read_scenario(folder)
    path = folder / TRACE
    try:
        with replacing(path) as unfinished, unfinished.open("w") as file:
            about = {"run": str(folder), "scenario": scenario.name, "policy": scenario.policy.name}
            trace = _Trace(file, about)
            _events(trace, folder)
            for edge in scenario.edges:
                _edge(trace, folder, edge.name, scenario.slot_seconds)
            _requests(trace, record_table(folder, "requests", COLUMNS))
            trace.close()
    except OSError as error:
        raise RecordError(f"{folder}: the trace cannot be written: {error}") from error
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise RecordError(
            f"{folder}: the run's record is damaged: {type(error).__name__}: {error}"
        ) from error
    return path


class _Trace:
    """The file, an event a line. Processes and threads are what the viewer calls its groups and
    tracks; all have numbers of their own."""

    def __init__(self, file: TextIO, about: Mapping[str, str]) -> None:
        self._file = file
        self._numbers = 0
        self._comma = ""
        self._file.write(f'{{"displayTimeUnit":"ms","otherData":{json.dumps(about)},\n')
        self._file.write('"traceEvents":[')

    def add(self, kind: str, name: str, group: int, **fields: Any) -> None:
        """One event of a group."""
        event = {"ph": kind, "name": name, "pid": group, **fields}
        self._file.write(f"{self._comma}\n{json.dumps(event, separators=(',', ':'))}")
        self._comma = ","

    def group(self, name: str) -> int:
        """A new group of tracks, below the others."""
        self._numbers += 1
        group = self._numbers
        self.add("M", "process_name", group, args={"name": name})
        self.add("M", "process_sort_index", group, args={"sort_index": group})
        return group

    def track(self, group: int, name: str) -> int:
        """A new track of a group, below its others."""
        self._numbers += 1
        track = self._numbers
        self.add("M", "thread_name", group, tid=track, args={"name": name})
        self.add("M", "thread_sort_index", group, tid=track, args={"sort_index": track})
        return track

    def slice(self, group: int, track: int, part: Slice) -> None:
        """A stretch of a track."""
        self.add(
            "X",
            part.name,
            group,
            tid=track,
            ts=part.start_us,
            dur=part.end_us - part.start_us,
            args=part.details,
        )

    def instant(self, name: str, at_s: float, group: int, track: int, **details: Any) -> None:
        """Something that happened at one moment."""
        at_us = max(0, microseconds(at_s))
        self.add("i", name, group, tid=track, ts=at_us, s="t", args=details)

    def counter(self, name: str, at_s: float, group: int, value: float | None) -> None:
        """A figure's value from this moment on; nothing where it is not known."""
        if value is not None:
            self.add("C", name, group, ts=microseconds(at_s), args={"value": value})

    def close(self) -> None:
        """Write what ends the file."""
        self._file.write("\n]}\n")


def _events(trace: _Trace, folder: Path) -> None:
    """What happened in the run: deaths, users that come and go, interruptions."""
    group = trace.group("run")
    track = trace.track(group, "events")
    try:
        events = parse_json((folder / "summary.json").read_bytes())["run"]["events"]
    except (OSError, ValueError, KeyError, TypeError):  # it goes on, or it broke off
        events = read_events(folder)
    for event in events:
        trace.instant(event["text"], event["at_s"], group, track)


def _edge(trace: _Trace, folder: Path, edge: str, slot_seconds: float) -> None:
    """An edge: its slots, plans and training at their ends, its figures, its engine's ticks."""
    group = trace.group(edge)
    slots = trace.track(group, "slots")
    for row in record_table(folder, "slots").to_pylist():
        if row["edge"] == edge:
            _slot(trace, group, slots, row, slot_seconds)
    if any((folder / f"ticks.{kind}").is_file() for kind in ("parquet", "jsonl")):
        engine = trace.track(group, "engine")
        free_us = 0
        for row in _rows(record_table(folder, "ticks")):
            if row["edge"] == edge:
                tick = _tick(row, free_us)
                trace.slice(group, engine, tick)
                free_us = tick.end_us


def _slot(trace: _Trace, group: int, track: int, row: Row, slot_seconds: float) -> None:
    start_s = row["slot"] * slot_seconds
    end_s = (row["slot"] + 1) * slot_seconds
    details = {name: value for name, value in row.items() if value is not None}
    slot = Slice(f"slot {row['slot']}", microseconds(start_s), microseconds(end_s), details)
    trace.slice(group, track, slot)
    if row["admitted"] is not None:
        plan = {name: row[name] for name in ("admitted", "evicted", "decision_s", "gap_to_exact")}
        text = f"plan: {row['admitted']} in, {row['evicted']} out"
        trace.instant(text, end_s, group, track, **plan)
    if row["updates"] is not None:
        training = {name: row[name] for name in ("updates", "loss", "k")}
        trace.instant("training", end_s, group, track, **training)
    trace.counter("requests that wait", end_s, group, row["edge_queue"])
    trace.counter("requests that are computed", end_s, group, row["edge_in_flight"])
    trace.counter("store, bytes", end_s, group, row["store_bytes"])
    trace.counter("virtual queue Q, s", end_s, group, row["queue_s"])
    trace.counter("users", end_s, group, row["users"])
    if row["requests"]:
        trace.counter("hit ratio", end_s, group, row["hits"] / row["requests"])


def _tick(row: Row, free_us: int) -> Slice:
    """A tick, which begins no earlier than the one before has ended: a sum's last bit may round the
    other way."""
    start_us = max(free_us, microseconds(row["start_s"]))
    end_us = max(start_us, microseconds(row["start_s"] + row["tick_s"]))
    details = {"batch": row["batch"], "step_s": row["step_s"]}
    return Slice(f"batch of {row['batch']}", start_us, end_us, details)


def _requests(trace: _Trace, table: pa.Table) -> None:
    """Every user's requests, a track a user, grouped by edge and device class."""
    users: dict[tuple[str, str, int], int] = {}
    codes = np.zeros(len(table), np.int64)
    spans = np.zeros((len(table), 2), np.int64)
    for number, row in enumerate(_rows(table)):
        key = (row["edge"], row["device_class"], row["user"])
        codes[number] = users.setdefault(key, len(users))
        spans[number] = span(row)
    lane = lanes(codes, spans[:, 0], spans[:, 1])
    widths = np.zeros(len(users), np.int64)
    np.maximum.at(widths, codes, lane + 1)
    places = _places(trace, users, widths)
    for number, row in enumerate(_rows(table)):
        group, tracks = places[codes[number]]
        track = tracks + int(lane[number])
        parts = list(request_slices(row))
        for part in parts:
            trace.slice(group, track, part)
        if not parts:
            error = row.get("error")
            trace.instant(row["result"], row["arrived_s"], group, track, error=error)


def _places(
    trace: _Trace, users: Mapping[tuple[str, str, int], int], widths: np.ndarray[Any, Any]
) -> dict[int, tuple[int, int]]:
    """Each user's group and the first of its tracks, one a lane, in the users' order."""
    groups: dict[tuple[str, str], int] = {}
    places: dict[int, tuple[int, int]] = {}
    for edge, kind, user in sorted(users):
        if (edge, kind) not in groups:
            groups[edge, kind] = trace.group(f"{edge}: {kind}")
        group = groups[edge, kind]
        code = users[edge, kind, user]
        tracks = [
            trace.track(group, f"user {user}" if lane == 0 else f"user {user} ({lane + 1})")
            for lane in range(widths[code])
        ]
        places[code] = (group, tracks[0])
    return places


def _rows(table: pa.Table) -> Iterator[dict[str, Any]]:
    for batch in table.to_batches(max_chunksize=BATCH):
        yield from batch.to_pylist()
