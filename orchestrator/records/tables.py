"""The tables of a run that ended: rows of a dataclass as parquet."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, get_type_hints

import pyarrow as pa
import pyarrow.parquet as pq

from midstep.errors import RecordError
from midstep.whole_file import replacing

__all__ = ["read_parquet", "read_table", "table_of", "write_parquet"]

TYPES = {int: pa.int64(), float: pa.float64(), str: pa.string(), bool: pa.bool_()}


def table_of(kind: type, rows: Sequence[dict[str, Any]]) -> pa.Table:
    """Rows of a dataclass as an Arrow table, with its types even where every value is null."""
    hints = get_type_hints(kind)
    columns = []
    for field in fields(kind):
        options = getattr(hints[field.name], "__args__", (hints[field.name],))
        value_type = next(option for option in options if option is not type(None))
        columns.append((field.name, TYPES[value_type]))
    return pa.Table.from_pylist(list(rows), schema=pa.schema(columns))


def write_parquet(path: Path, kind: type, rows: Sequence[dict[str, Any]]) -> None:
    """Rows of a dataclass as parquet, on the disk when this returns; a reader sees the whole file
    or none. Raises OSError."""
    with replacing(path) as unfinished:
        pq.write_table(table_of(kind, rows), unfinished)
        with unfinished.open("rb") as file:
            os.fsync(file.fileno())


def read_parquet(path: Path) -> list[dict[str, Any]]:
    """Its rows. Raises RecordError."""
    try:
        rows: list[dict[str, Any]] = read_table(path).to_pylist()
    except ValueError as error:  # a text that is no UTF-8
        raise RecordError(f"{path}: cannot be read: {error}") from error
    return rows


def read_table(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """A parquet file as an Arrow table, or those of the `columns` that it has. Raises
    RecordError."""
    try:
        if columns is not None:
            present = set(pq.read_schema(path).names)
            columns = [name for name in columns if name in present]
        return pq.read_table(path, columns=columns)
    except (pa.ArrowException, OSError, ValueError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise RecordError(f"{path}: cannot be read: {reason}") from error
