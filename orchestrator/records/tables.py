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

__all__ = ["read_parquet", "write_parquet"]

TYPES = {int: pa.int64(), float: pa.float64(), str: pa.string(), bool: pa.bool_()}


def write_parquet(path: Path, kind: type, rows: Sequence[dict[str, Any]]) -> None:
    """Rows of a dataclass as parquet, with its types even where every value is null; a reader sees
    the whole file or none."""
    hints = get_type_hints(kind)
    columns = []
    for field in fields(kind):
        options = getattr(hints[field.name], "__args__", (hints[field.name],))
        value_type = next(option for option in options if option is not type(None))
        columns.append((field.name, TYPES[value_type]))
    unfinished = path.with_suffix(".parquet.tmp")
    try:
        pq.write_table(pa.Table.from_pylist(list(rows), schema=pa.schema(columns)), unfinished)
        os.replace(unfinished, path)
    except OSError:
        unfinished.unlink(missing_ok=True)  # a full disk: its room is the journals'
        raise


def read_parquet(path: Path) -> list[dict[str, Any]]:
    """Its rows. Raises RecordError."""
    try:
        rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    except (pa.ArrowException, OSError, ValueError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise RecordError(f"{path}: cannot be read: {reason}") from error
    return rows
