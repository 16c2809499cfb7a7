"""Tables of a run's record for analysis: as Arrow, pandas or polars."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from midstep.errors import OptionError, RecordError
from orchestrator.records.journals import JOURNALS, read_journal
from orchestrator.records.tables import read_table, table_of

__all__ = ["LIBRARIES", "TABLES", "frame_of", "record_table"]

TABLES = ("requests", "slots", "ticks")
LIBRARIES = ("pandas", "polars", "arrow")


def record_table(folder: Path, name: str, columns: Sequence[str] | None = None) -> pa.Table:
    """A table of a run's record, or those of the `columns` that it has; of a run that broke off
    from its journal. Raises RecordError, and OptionError for another name than those of TABLES."""
    if name not in TABLES:
        raise OptionError(f"no table {name!r}; a run has {', '.join(TABLES)}")
    parquet = folder / f"{name}.parquet"
    journal = folder / f"{name}.jsonl"
    if parquet.is_file():
        try:
            return read_table(parquet, columns)
        except RecordError:  # damaged by a kill
            if not journal.is_file():
                raise
    if not journal.is_file():
        hint = "; only a run with --perfetto has it" if name == "ticks" else ""
        raise RecordError(f"{folder}: neither {parquet.name} nor {journal.name} is there{hint}")
    try:
        table = table_of(JOURNALS[name], read_journal(folder, name)[0])
    except (pa.ArrowException, OverflowError) as error:
        raise RecordError(f"{journal}: is damaged: {error}") from error
    return (
        table if columns is None else table.select([n for n in columns if n in table.schema.names])
    )


def frame_of(table: pa.Table, library: str = "pandas") -> Any:
    """A table as a frame of that library, `arrow` as it is. Raises ImportError where the library is
    not installed, OptionError for another name than those of LIBRARIES."""
    if library == "arrow":
        return table
    if library == "pandas":
        try:
            import pandas  # noqa: F401 - pyarrow uses it
        except ModuleNotFoundError:
            raise _missing("pandas", "polars") from None
        return table.to_pandas()
    if library == "polars":
        try:
            import polars
        except ModuleNotFoundError:
            raise _missing("polars", "pandas") from None
        return polars.from_arrow(table)
    raise OptionError(f"no frames of {library!r}; there is {', '.join(LIBRARIES)}")


def _missing(library: str, other: str) -> ImportError:
    return ImportError(
        f"frames of {library} need it installed: pip install 'midstep[{library}]'; or take "
        f".frame(NAME, {other!r}) or .frame(NAME, 'arrow'), which needs nothing more"
    )
