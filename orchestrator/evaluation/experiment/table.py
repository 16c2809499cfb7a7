"""The experiment's tables: every run's values, and every cell's, with what differs from its
baseline."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from midstep.whole_file import replacing
from orchestrator.evaluation.experiment.measured import Measured
from orchestrator.evaluation.experiment.paired import (
    Against,
    Cells,
    Estimate,
    baseline_cell,
    by_cell,
    compare,
    estimate,
)
from orchestrator.records.metrics import METRICS

__all__ = ["CellResult", "cell_rows", "remove", "results", "run_rows", "write"]

Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class CellResult:
    """A cell: its settings, its runs, its estimates by metric, and what differs from the baseline;
    `against` is None for the baseline itself, and where it has none."""

    settings: Mapping[str, Any]
    runs: Sequence[Measured]
    estimates: Mapping[str, Estimate]
    against: Against | None
    is_baseline: bool


def results(runs: Sequence[Measured], baseline: Mapping[str, Any]) -> list[CellResult]:
    """Every cell with its estimates and differences. Raises RecordError for rows that cannot be
    read."""
    cells: Cells = by_cell(runs)
    listed = []
    for cell, members in cells.items():
        settings = members[0].point.settings
        other = baseline_cell(settings, baseline, cells)
        against = None
        if other is not None and other != cell:
            against = compare(members, cells[other])
        listed.append(
            CellResult(
                settings=settings,
                runs=members,
                estimates=_estimates(members),
                against=against,
                is_baseline=other == cell,
            )
        )
    return listed


def cell_rows(cells: Sequence[CellResult]) -> list[Row]:
    """table.csv: a row a cell and metric (docs/experiments.md has the columns)."""
    keys = _keys(cells)
    rows = []
    for cell in cells:
        for metric, one in cell.estimates.items():
            row: Row = {key: _scalar(cell.settings.get(key)) for key in keys}
            row |= {
                "metric": metric,
                "unit": METRICS[metric].unit if metric in METRICS else "",
                "mean": one.mean,
                "ci95": one.half,
                "n": one.n,
                "over": one.over,
                "run_to_run_sd": one.spread,
                "is_baseline": cell.is_baseline,
            }
            rows.append(row | _difference(cell.against, metric))
    return rows


def run_rows(runs: Sequence[Measured]) -> list[Row]:
    """runs.csv: a row a run, with every metric's value."""
    keys = list(dict.fromkeys(key for run in runs for key in run.point.settings))
    metrics = _metrics(runs)
    return [
        {
            "id": run.point.id,
            **{key: _scalar(run.point.settings.get(key)) for key in keys},
            "seed": run.point.seed,
            "repeat": run.point.repeat,
            "verdict": run.verdict,
            "wall_s": run.wall_s,
            **{metric: run.values.get(metric) for metric in metrics},
        }
        for run in runs
    ]


def remove(folder: Path, name: str) -> None:
    """Remove what `write` left of that name. Raises OSError."""
    for ending in ("csv", "parquet"):
        (folder / f"{name}.{ending}").unlink(missing_ok=True)


def write(folder: Path, name: str, rows: Sequence[Row]) -> None:
    """Rows as NAME.csv and NAME.parquet. Raises OSError."""
    names = list(rows[0]) if rows else []
    text = folder / f"{name}.csv"
    with replacing(text) as fresh, fresh.open("w", newline="") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(rows)
    columns = {column: [row[column] for row in rows] for column in names}
    table = pa.table({column: _array(values) for column, values in columns.items()})
    with replacing(folder / f"{name}.parquet") as fresh:
        pq.write_table(table, fresh)


def _estimates(runs: Sequence[Measured]) -> dict[str, Estimate]:
    return {
        metric: estimate(
            {(run.point.seed, run.point.repeat): run.values.get(metric) for run in runs}
        )
        for metric in _metrics(runs)
    }


def _difference(against: Against | None, metric: str) -> Row:
    gap = None if against is None else against.differences.get(metric)
    count, most = (None, None) if against is None else against.requests.get(metric, (None, None))
    return {
        "difference": None if gap is None else gap.mean,
        "difference_ci95": None if gap is None else gap.half,
        "difference_share": None if against is None else against.relative(metric),
        "difference_n": None if gap is None else gap.n,
        "difference_over": None if gap is None else gap.over,
        "difference_requests": count,
        "difference_requests_of": most,
        "larger_than_chance": None if gap is None else gap.clear,
        "pairing": None if against is None else against.pairing_of(metric),
        "same_requests": None if against is None else against.share,
    }


def _keys(cells: Sequence[CellResult]) -> list[str]:
    return list(dict.fromkeys(key for cell in cells for key in cell.settings))


def _metrics(runs: Sequence[Measured]) -> list[str]:
    """The metrics that any run has, in the vocabulary's order."""
    names = dict.fromkeys(name for run in runs for name in run.values)
    known = [name for name in METRICS if name in names]
    return known + [name for name in names if name not in METRICS]


def _scalar(value: Any) -> Any:
    return value if value is None or isinstance(value, (str, int, float)) else json.dumps(value)


def _array(values: Sequence[Any]) -> Any:
    """A column: numbers where all are, truth values where all are, else text."""
    known = [value for value in values if value is not None]
    if known and all(isinstance(value, bool) for value in known):
        return pa.array(values, pa.bool_())
    if all(isinstance(value, int) and not isinstance(value, bool) for value in known) and known:
        return pa.array(values, pa.int64())
    if all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in known):
        return pa.array(values, pa.float64())
    return pa.array([None if v is None else str(v) for v in values], pa.string())
