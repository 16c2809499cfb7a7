"""Reads the record of a run that ended, or broke off."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from midstep.errors import RecordError
from midstep.json_text import parse_json
from midstep.telemetry.record import RequestRow
from orchestrator.records.folders import SCENARIO
from orchestrator.records.journals import JOURNALS, optional_columns, read_journal
from orchestrator.records.rows import SlotRow
from orchestrator.records.run_files import BEGIN, is_filled
from orchestrator.records.tables import read_parquet

__all__ = ["read_begin", "read_events", "read_run"]


def read_run(folder: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Request and slot rows of a run, from parquet, or from the journal of one that broke off.
    Raises RecordError."""
    if not is_filled(folder / SCENARIO):
        raise RecordError(f"{folder}: no run is in there (no {SCENARIO})")
    # an older run's rows have fewer columns
    requests, slots = (
        [{**optional_columns(kind), **row} for row in _rows(folder, name)]
        for name, kind in (("requests", RequestRow), ("slots", SlotRow))
    )
    return requests, slots


def read_events(folder: Path) -> list[dict[str, Any]]:
    """What happened in a run that broke off, as far as its journals tell; damage to them is the
    last event. Raises RecordError."""
    present = [name for name in JOURNALS if (folder / f"{name}.jsonl").is_file()]
    journals = {name: read_journal(folder, name) for name in present}
    events = journals["events"][0] if "events" in journals else []
    at_s = max((event["at_s"] for event in events), default=0.0)
    for name, (_, damaged) in journals.items():
        if damaged:
            text = f"{name}.jsonl: {damaged} damaged lines are left out"
            events.append({"at_s": at_s, "text": text})
    return events


def read_begin(folder: Path) -> dict[str, Any]:
    """Read what `orchestrator.records.recorder.Recorder.began` wrote; nothing where it is not
    there, or damaged."""
    try:
        tree = parse_json((folder / BEGIN).read_bytes())
    except (OSError, ValueError):
        return {}
    return tree if isinstance(tree, dict) else {}


def _rows(folder: Path, name: str) -> list[dict[str, Any]]:
    """Read the table, or the journal where the table is missing or damaged by a kill."""
    parquet = folder / f"{name}.parquet"
    journal = folder / f"{name}.jsonl"
    if not parquet.is_file() and not journal.is_file():
        raise RecordError(f"{folder}: neither {name}.parquet nor {name}.jsonl is there")
    if parquet.is_file():
        try:
            return read_parquet(parquet)
        except RecordError:
            if not journal.is_file():
                raise
    return read_journal(folder, name)[0]
