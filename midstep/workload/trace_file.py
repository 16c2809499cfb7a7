"""Reads a trace: a list of prompts, a table (CSV, TSV or parquet), or the folder of a run."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from midstep.errors import ScenarioError
from midstep.home import in_home
from midstep.json_text import parse_json
from midstep.tree import MOST_USERS
from midstep.units import excerpt
from midstep.workload.lines import LONGEST, read_lines, unreadable
from midstep.workload.trace import Trace, TracedRequest
from midstep.workload.user_request import UserRequest

__all__ = ["COLUMNS", "TABLES", "read_rows", "read_table", "read_trace"]

TABLES = (".csv", ".tsv", ".parquet")
COLUMNS = ("time", "user", "prompt", "core", "negative", "variation_seed", "private_seed")
RECORDED = (
    "request_id",
    "user",
    "prompt",
    "edge_prompt",
    "core_prompt",
    "due_s",
    "think_s",
    "variation_seed",
    "private_seed",
)
SEEDS = 2**63
MOST_REQUESTS = 10**7  # of a user: a bound before a place is made for each

Row = Mapping[str, Any]


def read_trace(path: str, key: str) -> Trace:
    """The trace that a scenario's `key` names: a run's folder; a table with a header, by its ending
    .csv, .tsv or .parquet; or a text, one prompt a line. Raises ScenarioError, one line."""
    place = in_home(path)
    if place.is_dir():
        if key == "workload.prompts":
            raise ScenarioError(
                f"{key}: {path} is a folder; a text file or a table is wanted (--replay takes a "
                f"run's folder)"
            )
        return _of_run(place, key)
    if place.suffix.lower() in TABLES:
        return read_table(path, key)
    return _of_lines(path, key)


def read_table(path: str, key: str) -> Trace:
    """A table of requests: `prompt`, and where it has them `time` (seconds from the run's start),
    `user` (numbers from 0, or names), `core`, `negative`, `variation_seed`, `private_seed`."""
    where = f"{key}: {path}"
    users = _Users()
    requests = []
    first: Row | None = None
    for at, row in read_rows(path, key):
        first = first or row
        for name in ("time", "user"):
            if (name in row) != (name in first):
                raise ScenarioError(f"{where}, {at}: give every row a {name}, or none")
        requests.append(_request(row, where, at, users))
    if not any(one.request.prompt.strip() for one in requests):
        raise ScenarioError(f"{where} holds no prompt")
    if requests[0].due_s is not None:  # stable: those of one instant stay in their order
        requests.sort(key=lambda one: one.due_s or 0.0)
    return Trace(
        source=path,
        requests=tuple(requests),
        has_negatives=first is not None and "negative" in first,
    )


def read_rows(path: str, key: str, columns: Sequence[str] = COLUMNS) -> Iterator[tuple[str, Row]]:
    """The rows of a table, each with its place in words; `columns` may be in its header. Raises
    ScenarioError, one line."""
    place = in_home(path)
    where = f"{key}: {path}"
    if place.suffix.lower() == ".parquet":
        yield from _parquet(place, where, columns)
    else:
        yield from _text(place, where, columns)


def _of_lines(path: str, key: str) -> Trace:
    """A text's prompts, one a line. Empty ones stay in: they are asked for, and rejected."""
    try:
        lines = read_lines(path)
    except (OSError, ValueError) as error:
        raise ScenarioError(f"{key}: {path}: {unreadable(error)}") from error
    if not any(line.strip() for line in lines):
        raise ScenarioError(f"{key}: {path} holds no prompt")
    requests = (UserRequest(line, line) for line in lines)
    traced = tuple(TracedRequest(request=one, has_core=False) for one in requests)
    return Trace(source=path, requests=traced)


def _of_run(folder: Path, key: str) -> Trace:
    """The requests of a run, from its table or, where it broke off, from its journal."""
    where = f"{key}: {folder}"
    read = {row.get("request_id"): row for row in _run_rows(folder, where)}
    if not read:
        raise ScenarioError(f"{where}: the run has no request to be met again")
    rows = [row for row in read.values() if all(name in row for name in RECORDED)]
    if not rows:
        missing = next(n for row in read.values() for n in RECORDED if n not in row)
        raise ScenarioError(f"{where}: its requests have no {missing}: an older midstep ran it")
    try:
        # the number in an id has five digits or more
        rows.sort(key=lambda row: (row["user"], len(row["request_id"]), row["request_id"]))
        closed = rows[0]["think_s"] is not None
        requests = [_again(row, closed) for row in rows]
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ScenarioError(f"{where}: the run's record is damaged: {error}") from error
    return Trace(source=str(folder), requests=requests, of_run=True, has_negatives=True)


def _again(row: Row, closed: bool) -> TracedRequest:
    """A recorded row as a request to be met again."""
    core = row["core_prompt"]
    if core is None:
        core = row["edge_prompt"]
    number = int(row["request_id"].rpartition("-")[2])
    if number >= MOST_REQUESTS:
        raise ValueError(f"request {row['request_id'][:60]} has no number that a user could reach")
    request = UserRequest(
        row["prompt"],
        core,
        row["variation_seed"],
        row["private_seed"],
        row.get("negative") or "",  # an older midstep had none
    )
    return TracedRequest(
        request=request,
        user=row["user"],
        number=number,
        due_s=None if closed else row["due_s"],
        think_s=row["think_s"] if closed else None,
        whole_at=f"request {row['request_id']}" if core == row["prompt"] else None,
    )


def _run_rows(folder: Path, where: str) -> Iterator[Row]:
    table = folder / "requests.parquet"
    journal = folder / "requests.jsonl"
    if table.is_file():
        try:
            rows = _read_parquet(table, where)
        except ScenarioError:
            if not journal.is_file():
                raise
        else:
            yield from rows
            return
    try:
        lines = journal.read_bytes().split(b"\n")
    except OSError as error:
        raise ScenarioError(f"{where}: no run is in there (no requests.parquet)") from error
    for line in lines:
        try:
            row = parse_json(line)
        except ValueError:
            continue  # torn or damaged: as `midstep report` leaves it out
        if isinstance(row, dict):
            yield row


class _Commas(csv.excel):
    strict = True


class _Tabs(csv.excel_tab):
    """TSV has no quotes: a prompt may begin with one."""

    quoting = csv.QUOTE_NONE
    quotechar = None
    strict = True


def _text(place: Path, where: str, columns: Sequence[str]) -> Iterator[tuple[str, Row]]:
    tabs = place.suffix.lower() == ".tsv"
    try:
        with place.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, _Tabs if tabs else _Commas)
            header = next(reader, [])
            _check_columns(header, where, columns)
            for cells in reader:
                if not cells:
                    continue
                at = f"line {reader.line_num}"
                if len(cells) != len(header):
                    raise ScenarioError(
                        f"{where}, {at}: {len(cells)} values, the header has {len(header)} columns"
                    )
                # an empty cell is none, but an empty prompt is one: it is asked for, and rejected
                pairs = zip(header, cells, strict=True)
                row = {name: cell for name, cell in pairs if cell or name == "prompt"}
                yield at, _filled(row, header)
    except OSError as error:
        raise ScenarioError(f"{where} cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise ScenarioError(f"{where} cannot be read: {error}") from error


def _parquet(place: Path, where: str, columns: Sequence[str]) -> Iterator[tuple[str, Row]]:
    rows = _read_parquet(place, where)
    for number, row in enumerate(rows):
        if number == 0:
            _check_columns(row, where, columns)
        present = {name: value for name, value in row.items() if value is not None}
        yield f"row {number}", _filled(present, row)


def _filled(row: dict[str, Any], columns: Iterable[str]) -> Row:
    """A row with what an empty cell means: of a table that has cores, that the prompt is its core;
    of one that has negative prompts, that there is none."""
    if "core" in columns and "prompt" in row:
        row.setdefault("core", row["prompt"])
    if "negative" in columns:
        row.setdefault("negative", "")
    return row


def _read_parquet(place: Path, where: str) -> list[Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        rows: list[Row] = pq.read_table(place).to_pylist()
    except (pa.ArrowException, OSError, ValueError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ScenarioError(f"{where} cannot be read: {reason}") from error
    return rows


def _check_columns(header: Iterable[str], where: str, columns: Sequence[str]) -> None:
    names = list(header)
    for name in names:
        if name not in columns:
            raise ScenarioError(
                f"{where}: no column {excerpt(name)} is known; there is {', '.join(columns)}"
            )
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ScenarioError(f"{where}: two columns are named {twice}")
    if "prompt" not in names:
        raise ScenarioError(f"{where}: its header has no column prompt")


class _Users:
    """Numbers of users: whole numbers are their own, names are numbered as they come."""

    def __init__(self) -> None:
        self._names: dict[str, int] = {}
        self._named: bool | None = None

    def number(self, value: Any, where: str) -> int:
        """The number of a user. Raises ScenarioError."""
        if isinstance(value, float):  # as a table has it where a user was missing somewhere
            if value < 0 or not value.is_integer():
                raise ScenarioError(
                    f"{where}: user {value:g}: give a whole number, 0 or more, or a name"
                )
            value = int(value)
        text = str(value)
        named = not text.isascii() or not text.isdigit()
        if self._named is None:
            self._named = named
        if named != self._named:
            raise ScenarioError(
                f"{where}: user {excerpt(text)}: give every user a number, or every user a name"
            )
        number = self._names.setdefault(text, len(self._names)) if named else int(text[:12])
        if number >= MOST_USERS:
            raise ScenarioError(
                f"{where}: user {excerpt(text)}: numbers are below {MOST_USERS:,}; use names "
                f"otherwise"
            )
        return number


def _request(row: Row, file: str, at: str, users: _Users) -> TracedRequest:
    where = f"{file}, {at}"
    prompt = _text_of(row, "prompt", None, where)
    core = _text_of(row, "core", prompt, where)
    return TracedRequest(
        request=UserRequest(
            prompt,
            core,
            _number(row, "variation_seed", where, _seed),
            _number(row, "private_seed", where, _seed),
            _text_of(row, "negative", "", where),
        ),
        user=users.number(row["user"], where) if "user" in row else None,
        due_s=_number(row, "time", where, _instant),
        has_core="core" in row,
        whole_at=at if "core" in row and core == prompt else None,
    )


def _text_of(row: Row, column: str, default: str | None, where: str) -> str:
    value = row.get(column, default)
    if not isinstance(value, str):
        raise ScenarioError(f"{where}: {column} {excerpt(value)} is no text")
    if len(value) > LONGEST:
        raise ScenarioError(
            f"{where}: {column} has {len(value)} characters, the limit is {LONGEST}"
        )
    return value


def _number(row: Row, column: str, where: str, read: Callable[[Any], Any]) -> Any:
    if column not in row:
        return None
    try:
        return read(row[column])
    except (ValueError, TypeError, OverflowError) as error:
        raise ScenarioError(f"{where}: {column} {excerpt(str(row[column]))}: {error}") from error


def _instant(value: Any) -> float:
    try:
        instant_s = float(value)
    except (ValueError, TypeError):
        instant_s = math.nan
    if isinstance(value, bool) or not 0 <= instant_s < math.inf:
        raise ValueError("give seconds from the run's start, 0 or more")
    return instant_s


def _seed(value: Any) -> int:
    try:
        seed = int(value)
    except (ValueError, TypeError):
        seed = -1
    whole = not isinstance(value, float) or value.is_integer()
    if isinstance(value, bool) or not whole or not 0 <= seed < SEEDS:
        raise ValueError("give a whole number from 0 to 2^63 - 1")
    return seed
