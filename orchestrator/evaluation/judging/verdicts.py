"""Verdicts in a run's record: the column `fidelity`, the metric of that name, and what each picture
shows in a table of its own."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path

from midstep.errors import RecordError
from midstep.telemetry.record import RequestRow
from orchestrator.records import report, summary
from orchestrator.records.folders import read_scenario, write_at_once
from orchestrator.records.picture_judge import Finding
from orchestrator.records.run_reader import read_run
from orchestrator.records.tables import write_parquet

__all__ = ["TABLE", "write_verdicts"]

TABLE = "judged.csv"
HEAD = ("request_id", "prompt", "reuse", "cut_step", "fidelity", "shows")


def write_verdicts(folder: Path, findings: Mapping[str, Finding]) -> None:
    """Write judged.csv, and into the tables of a run that ended the column and the metric, and its
    report again, where it has one; the rest of the record stays as it is, also what was judged
    before of a picture that is no longer there. Raises RecordError."""
    rows, _ = read_run(folder)
    for row in rows:
        row.setdefault("fidelity", None)  # an older run's
        if (verdict := findings.get(row["request_id"])) is not None:
            row["fidelity"] = float(verdict.right)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEAD)
    for row in rows:
        if (verdict := findings.get(row["request_id"])) is not None:
            writer.writerow([*(row[name] for name in HEAD[:-1]), verdict.prompt])
    try:
        write_at_once(folder / TABLE, text.getvalue())
        if not (folder / "requests.parquet").is_file():
            return  # of a run that broke off, or goes on: its journal is not ours
        write_parquet(folder / "requests.parquet", RequestRow, rows)
        scenario = read_scenario(folder)
        if (folder / "summary.json").is_file():
            tree = summary.read(folder)
            summary.renew(tree, scenario, rows, ("fidelity",))
            summary.write(folder, tree)
        if (folder / "report.html").is_file():
            report.write(folder)
    except OSError as error:
        raise RecordError(f"{folder}: cannot be written: {error}") from error
