"""The journals of a run that goes on, or broke off: a file of JSON lines each, a line a row."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields
from functools import cache
from pathlib import Path
from typing import Any, get_type_hints

from midstep.errors import RecordError
from midstep.json_text import parse_json
from midstep.telemetry.record import RequestRow
from orchestrator.records.rows import CheckRow, EventRow, SlotRow, TickRow

__all__ = ["JOURNALS", "fits", "journal_row", "optional_columns", "read_back", "read_journal"]

JOURNALS: dict[str, type] = {
    "requests": RequestRow,
    "slots": SlotRow,
    "events": EventRow,
    "checks": CheckRow,  # only where pictures are checked
    "ticks": TickRow,  # only where the scenario has them recorded
}
MOST = 2**63

Rows = list[dict[str, Any]]


@cache
def optional_columns(kind: type) -> dict[str, Any]:
    """The columns that a row of a dataclass may lack, as an older run's does, with their values."""
    return {field.name: field.default for field in fields(kind) if field.default is not MISSING}


def journal_row(line: bytes, kind: type) -> dict[str, Any] | None:
    """A line's row; None for a line that was torn, is no UTF-8 or JSON, lacks a column, or has a
    value that its column cannot hold."""
    try:
        row = parse_json(line)
    except ValueError:
        return None
    if not isinstance(row, dict) or not _required_columns(kind) <= row.keys():
        return None
    row = {**optional_columns(kind), **row}
    return row if fits(row, kind) else None


def fits(row: Mapping[str, Any], kind: type) -> bool:
    """Whether every value of a row is one that its column can hold. A column that the dataclass
    does not have, as of a newer version, holds anything."""
    types = _types(kind)
    for name, value in row.items():
        allowed = types.get(name)
        if allowed is None:
            continue
        if type(value) not in allowed:
            return False
        # finite, and of 64 bits as a table's columns are
        if isinstance(value, (int, float)) and not -MOST <= value < MOST:
            return False
    return True


@cache
def _types(kind: type) -> dict[str, frozenset[type]]:
    """The types of a row's columns; a whole number may stand for another."""
    types = dict[str, frozenset[type]]()
    for name, hint in get_type_hints(kind).items():
        options = {getattr(one, "__origin__", one) for one in getattr(hint, "__args__", (hint,))}
        types[name] = frozenset(options | ({int} if float in options else set()))
    return types


@cache
def _columns(kind: type) -> frozenset[str]:
    return frozenset(field.name for field in fields(kind))


@cache
def _required_columns(kind: type) -> frozenset[str]:
    return frozenset(_columns(kind) - optional_columns(kind).keys())


def read_journal(folder: Path, name: str) -> tuple[list[dict[str, Any]], int]:
    """The rows of a journal, and how many of its lines are damaged and left out; the last one may
    be torn without being counted. A request that was checked has what was found. Raises
    RecordError."""
    rows, damaged = _lines(folder, name)
    if name == "requests" and (folder / "checks.jsonl").is_file():
        rows = _checked(rows, _lines(folder, "checks")[0])
    return rows, damaged


def read_back(folder: Path, name: str) -> Iterator[dict[str, Any]]:
    """The rows of a journal, one after the other, by the process that has written it: what it wrote
    is not looked at again, value by value. A line that is no row any more is left out. Raises
    RecordError."""
    columns = _columns(JOURNALS[name])
    path = folder / f"{name}.jsonl"
    checks = dict[str, dict[str, Any]]()
    if name == "requests" and (folder / "checks.jsonl").is_file():
        checks = {check["request_id"]: check for check in read_back(folder, "checks")}
    try:
        with path.open("rb") as file:
            for line in file:
                row = None
                with contextlib.suppress(ValueError):
                    row = json.loads(line)
                if isinstance(row, dict) and row.keys() == columns:
                    yield {**row, **checks.get(row["request_id"], {})} if checks else row
    except OSError as error:
        raise RecordError(f"{path}: cannot be read: {error.strerror}") from error


def _checked(rows: Rows, checks: Rows) -> Rows:
    """Requests with what checks of their pictures have found."""
    by_id = {check["request_id"]: check for check in checks}
    return [{**row, **by_id.get(row["request_id"], {})} for row in rows]


def _lines(folder: Path, name: str) -> tuple[list[dict[str, Any]], int]:
    path = folder / f"{name}.jsonl"
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise RecordError(f"{path}: cannot be read: {error.strerror}") from error
    rows = [journal_row(line, JOURNALS[name]) for line in lines if line]
    damaged = sum(row is None for row in rows) - bool(lines[-1] and rows[-1] is None)
    return [row for row in rows if row is not None], damaged
