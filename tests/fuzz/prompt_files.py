"""Lists of prompts and traces."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pyarrow as pa
import pyarrow.parquet as pq

from midstep.workload.trace_file import read_trace
from tests.fuzz.kind import Kind
from tests.fuzz.mutation import damaged, nasty_text, nasty_value

__all__ = ["PromptFiles"]

HEADER = ("time", "user", "prompt", "core", "negative", "variation_seed", "private_seed")


class PromptFiles(Kind):
    """Texts, CSV, TSV and parquet with odd cells, and damage to their bytes."""

    name = "prompts"

    def one(self, rng: Random) -> None:
        """Read one as a trace."""
        ending = rng.choice((".txt", ".csv", ".tsv", ".parquet", ""))
        path = self.folder / f"prompts{ending}"
        columns = [name for name in HEADER if name == "prompt" or rng.random() < 0.4]
        rows = [[_cell(name, rng) for name in columns] for _ in range(rng.randrange(6))]
        if ending == ".parquet":
            _write_parquet(path, columns, rows)
        else:
            separator = {".csv": ",", ".tsv": "\t"}.get(ending, " ")
            lines = [separator.join(row) for row in ([columns] if ending else []) + rows]
            end = rng.choice(("\n", "\r\n", "\r"))
            path.write_text(end.join(lines) + end, "utf-8", "surrogatepass", newline="")
        if rng.random() < 0.6:
            path.write_bytes(damaged(path.read_bytes(), rng))
        trace = read_trace(str(path), "workload.trace")
        assert trace.requests


def _cell(column: str, rng: Random) -> str:
    if rng.random() < 0.15:
        value = nasty_value(rng)
        big = isinstance(value, int) and value.bit_length() > 900
        return nasty_text(rng) if big else str(value)
    if column == "time":
        return f"{rng.uniform(0, 60):.3f}"
    return str(rng.randrange(9)) if column in ("user",) else f"a panda {rng.randrange(9)}"


def _write_parquet(path: Path, columns: list[str], rows: list[list[str]]) -> None:
    clean = [[cell.encode("utf-8", "replace").decode() for cell in row] for row in rows]
    table = pa.table({name: [row[i] for row in clean] for i, name in enumerate(columns)})
    pq.write_table(table, path)
