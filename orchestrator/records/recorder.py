"""What a run leaves on disk. Rows go to a journal as they come, so that a failure loses nothing;
the parquet files are made from it at the end, or later by `midstep report`."""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
import platform
import time
from collections.abc import Iterable, Sequence
from dataclasses import MISSING, asdict, fields
from pathlib import Path
from typing import Any, TextIO, get_type_hints

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from midstep import __version__
from midstep.errors import PolicyFailed, ScenarioError
from midstep.scenario import Scenario
from midstep.telemetry.record import Gallery, RequestRow
from orchestrator.records.rows import EndedRequest, SlotRow

JOURNALS = ("requests", "slots", "events")


class Recorder:
    """Owns the run's folder while the run lasts."""

    def __init__(self, folder: Path, scenario: Scenario) -> None:
        try:
            (folder / "images").mkdir(parents=True, exist_ok=True)
            text = scenario.dump() + yaml.safe_dump({"versions": versions()}, sort_keys=True)
            (folder / "scenario.yaml").write_text(text)
            self._journals: dict[str, TextIO] = {
                n: (folder / f"{n}.jsonl").open("w") for n in JOURNALS
            }
        except OSError as error:
            raise ScenarioError(
                f"--out {folder}: the run's folder cannot be written: {error}"
            ) from error
        self.folder = folder
        self._images = scenario.report.images
        self._edges = [edge.name for edge in scenario.edges]
        self.rows: dict[str, RequestRow] = {}
        self.slots: list[SlotRow] = []
        self.gallery: list[Gallery] = []
        self.events: list[dict[str, Any]] = []

    def ended(self, ended: Iterable[EndedRequest]) -> None:
        """Requests that ended, with their pictures."""
        for one in ended:
            self.rows[one.row.request_id] = one.row
            self._write("requests", one.row.dict())
            if one.picture is not None and self._images:
                (self.folder / "images" / f"{one.row.request_id}.png").write_bytes(one.picture)

    def slot(self, row: SlotRow) -> None:
        """A slot that ended."""
        self.slots.append(row)
        self._write("slots", asdict(row))

    def event(self, at_s: float, text: str) -> None:
        """Something a reader of the report should know: a part that died, an interruption."""
        self.events.append({"at_s": round(at_s, 3), "text": text})
        if not self._journals["events"].closed:
            with contextlib.suppress(OSError):  # a full disk ends the run through the rows
                self._write("events", self.events[-1])

    def checkpoint(self, edge: str, state: bytes) -> None:
        """The state of an edge's learner, in place of the one before: a reader sees the old file or
        the new one."""
        path = self.folder / checkpoint_file(edge, self._edges)
        fresh = path.with_suffix(".tmp")
        fresh.write_bytes(state)
        os.replace(fresh, path)

    def policy_failed(self, error: PolicyFailed, edge: str | None = None) -> None:
        """A policy's own traceback, below the line that says what failed."""
        path = self.folder / traceback_file(edge, self._edges)
        with contextlib.suppress(OSError):  # a full disk ends the run through the rows
            path.write_text(f"{error}\n\n{error.traceback}")

    def compared(self, gallery: Iterable[Gallery]) -> None:
        """Pictures made again without reuse: their PSNR goes into the rows, they into images/."""
        for one in gallery:
            self.gallery.append(one)
            self.rows[one.request_id].psnr_db = one.psnr_db
            for kind, data in (("frame", one.frame), ("reference", one.reference)):
                (self.folder / "images" / f"{one.request_id}-{kind}.png").write_bytes(data)

    def close(self) -> None:
        """Make the parquet files; the journals go once those are on disk."""
        for journal in self._journals.values():
            journal.close()
        write_parquet(
            self.folder / "requests.parquet", RequestRow, [row.dict() for row in self.rows.values()]
        )
        write_parquet(self.folder / "slots.parquet", SlotRow, [asdict(row) for row in self.slots])
        for name in self._journals:
            (self.folder / f"{name}.jsonl").unlink()

    def discard(self) -> None:
        """Remove what a run that never began has left."""
        for name, journal in self._journals.items():
            journal.close()
            (self.folder / f"{name}.jsonl").unlink(missing_ok=True)
        (self.folder / "scenario.yaml").unlink(missing_ok=True)
        for folder in (self.folder / "images", self.folder):
            with contextlib.suppress(OSError):  # somebody else's files are in it
                folder.rmdir()

    def _write(self, journal: str, row: dict[str, Any]) -> None:
        self._journals[journal].write(json.dumps(row) + "\n")
        self._journals[journal].flush()


def checkpoint_file(edge: str, edges: Sequence[str]) -> str:
    """The name of the file that holds the state of an edge's learner, in a run of these edges."""
    return "learner.ckpt" if len(edges) == 1 else f"learner-{edge}.ckpt"


def traceback_file(edge: str | None, edges: Sequence[str]) -> str:
    """The name of the file that holds the traceback of a policy that failed, by edge where a run
    has several."""
    one = edge is None or len(edges) == 1
    return "policy-traceback.txt" if one else f"policy-traceback-{edge}.txt"


def policy_failures(folder: Path) -> list[str]:
    """Which policies failed in a run, a line each, with the file that holds the traceback."""
    return [
        f"{path.read_text().splitlines()[0]}; its traceback is in {path.name}"
        for path in sorted(folder.glob("policy-traceback*.txt"))
    ]


def run_folder(scenario: Scenario, out: str | None) -> Path:
    """`--out` itself, or runs/<name>-<time>. Raises ScenarioError where a run is there already."""
    folder = (
        Path(out) if out else Path("runs") / f"{scenario.name}-{time.strftime('%Y%m%d-%H%M%S')}"
    )
    if (folder / "scenario.yaml").exists():
        if out:
            raise ScenarioError(
                f"--out {folder}: a run is in there already; name another folder or remove it"
            )
        folder = folder.with_name(f"{folder.name}-{time.time_ns() % 1000:03d}")
    return folder


def write_parquet(path: Path, kind: type, rows: list[dict[str, Any]]) -> None:
    """Rows of a dataclass as parquet, with its types even where every value is null."""
    types = {int: pa.int64(), float: pa.float64(), str: pa.string(), bool: pa.bool_()}
    hints = get_type_hints(kind)
    columns = []
    for field in fields(kind):
        options = getattr(hints[field.name], "__args__", (hints[field.name],))
        columns.append((field.name, types[next(t for t in options if t is not type(None))]))
    pq.write_table(pa.Table.from_pylist(rows, schema=pa.schema(columns)), path)


def read_run(folder: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Request and slot rows of a run, from parquet, or from the journal of one that broke off.
    Raises ScenarioError."""
    if not (folder / "scenario.yaml").is_file():
        raise ScenarioError(f"{folder}: no run is in there (no scenario.yaml)")
    found = []
    for name in ("requests", "slots"):
        parquet = folder / f"{name}.parquet"
        journal = folder / f"{name}.jsonl"
        if parquet.is_file():
            try:
                found.append(pq.read_table(parquet).to_pylist())
            except (pa.ArrowException, OSError) as error:
                raise ScenarioError(
                    f"{parquet}: cannot be read: {str(error).splitlines()[0]}"
                ) from error
        elif journal.is_file():
            found.append(_lines(journal))
        else:
            raise ScenarioError(f"{folder}: neither {name}.parquet nor {name}.jsonl is there")
    absent = {
        field.name: field.default for field in fields(SlotRow) if field.default is not MISSING
    }
    return found[0], [{**absent, **slot} for slot in found[1]]  # an older run has fewer columns


def read_events(folder: Path) -> list[dict[str, Any]]:
    """What happened in a run that broke off, as far as its journal tells."""
    journal = folder / "events.jsonl"
    return _lines(journal) if journal.is_file() else []


def _lines(journal: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in journal.read_text().splitlines() if line.endswith("}")]


def versions() -> dict[str, str]:
    """What the run was made with."""
    made = {"midstep": __version__, "python": platform.python_version()}
    for name in ("torch", "diffusers", "transformers", "ray", "grpcio", "numpy"):
        try:
            made[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            made[name] = "not installed"
    return made
