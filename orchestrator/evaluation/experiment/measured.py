"""What a point's record holds: its run's metrics, and the rows that pair it with another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from midstep.errors import RecordError
from orchestrator.evaluation.comparison import differences, matching
from orchestrator.evaluation.experiment.points import Point
from orchestrator.records import summary
from orchestrator.records.tables import read_table
from orchestrator.records.warm_up import after_warm_up

__all__ = ["Measured", "measure", "rows_of"]

WANTED = tuple(dict.fromkeys((*matching.COLUMNS, *differences.COLUMNS)))


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A point that was played: each metric's value, null where the run has none; its verdict; the
    wall seconds it took; and where its rows are, null where the road leaves none."""

    point: Point
    values: dict[str, float | None]
    verdict: str
    wall_s: float
    requests: Path | None


def measure(point: Point, folder: Path, wall_s: float) -> Measured:
    """Read a point's record. Raises RecordError."""
    tree = summary.read(folder)
    try:
        metrics = tree["policies"][point.scenario.policy.name]
        values = {name: value["mean"] for name, value in metrics.items()}
        verdict = str(tree["verdict"])
    except (KeyError, TypeError) as error:
        raise RecordError(
            f"{folder}: its summary.json is damaged: {type(error).__name__}: {error}"
        ) from error
    requests = folder / "requests.parquet"
    if not requests.is_file():
        return Measured(point=point, values=values, verdict=verdict, wall_s=wall_s, requests=None)
    run = Measured(point=point, values=values, verdict=verdict, wall_s=wall_s, requests=requests)
    values.update(differences.means(rows_of(run)))
    return run


def rows_of(run: Measured) -> Sequence[matching.Row]:
    """The rows of a run's requests after its warm-up, with the columns that matching and
    differences need; none where its road leaves none. Raises RecordError."""
    if run.requests is None:
        return []
    return after_warm_up(run.point.scenario, _read(run.requests))


@lru_cache(maxsize=64)
def _read(path: Path) -> Sequence[dict[str, Any]]:
    rows: list[dict[str, Any]] = read_table(path, WANTED).to_pylist()
    return rows
