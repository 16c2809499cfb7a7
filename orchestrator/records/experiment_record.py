"""An experiment's folder as data: its tables as frames, the records of its points."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

from orchestrator.records.folders import BROKEN
from orchestrator.records.frames import frame_of
from orchestrator.records.run_record import Run
from orchestrator.records.tables import read_table

__all__ = ["Experiment"]


class Experiment:
    """What an experiment left in its `folder` (docs/experiments.md)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __repr__(self) -> str:
        failed = len(self.failures)
        rest = f", {failed} failed" if failed else ""
        return f"<midstep experiment {self.folder}: {len(self.points)} points{rest}>"

    @cached_property
    def table(self) -> Any:
        """table.parquet as a pandas frame: a row a setting and metric, with its interval over seeds
        and the paired difference. Raises ImportError without pandas, RecordError."""
        return self.frame("table")

    @cached_property
    def runs(self) -> Any:
        """runs.parquet as a pandas frame: a row a point. Raises as `table`."""
        return self.frame("runs")

    def frame(self, name: str, library: str = "pandas") -> Any:
        """`table` or `runs` as a frame of pandas, polars or arrow. Raises ImportError without that
        library, OptionError for another, RecordError."""
        return frame_of(read_table(self.folder / f"{name}.parquet"), library)

    @property
    def page(self) -> Path:
        """experiment.html: everything of it to read."""
        return self.folder / "experiment.html"

    @property
    def points(self) -> dict[str, Run]:
        """The points that the tables are made of, by their id. Raises RecordError."""
        ids = read_table(self.folder / "runs.parquet", ["id"])["id"].to_pylist()
        return {name: Run(self.folder / "points" / name) for name in ids}

    @property
    def failures(self) -> dict[str, str]:
        """The tracebacks of points that failed, by their id."""
        failed = sorted(self.folder.glob("points/*/traceback.txt"))
        return {
            path.parent.name: path.read_text()
            for path in failed
            if not (path.parent / "point.json").is_file() and BROKEN not in path.parent.name
        }
