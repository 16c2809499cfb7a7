"""Writes a run's record to disk. Rows go to a journal as they come, so that a failure loses
nothing; the parquet files are made from it at the end. Of a run that broke off the journal stays,
and `midstep report` reads that."""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import platform
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from midstep import __version__
from midstep.diffusion.pace import MachinePace
from midstep.errors import PolicyFailed, RecordError
from midstep.json_text import parse_json
from midstep.scenario import Scenario
from midstep.telemetry.record import Gallery, RequestRow
from midstep.telemetry.ticks import Tick
from orchestrator.records.centre import Centre
from orchestrator.records.folders import SCENARIO, claim_folder, release_folder, write_at_once
from orchestrator.records.journals import JOURNALS, optional_columns, read_journal
from orchestrator.records.row_journal import RESERVE, Reserve, RowJournal, is_full
from orchestrator.records.rows import CheckRow, EndedRequest, EventRow, SlotRow, TickRow
from orchestrator.records.tables import read_parquet, write_parquet

__all__ = [
    "Recorder",
    "checkpoint_file",
    "policy_failures",
    "read_begin",
    "read_events",
    "read_run",
    "run_folder",
    "traceback_file",
    "versions",
]

BEGIN = "begin.json"
RESULTS = (
    *(f"{name}.jsonl" for name in JOURNALS),
    BEGIN,
    "requests.parquet",
    "slots.parquet",
    "ticks.parquet",
    "trace.json",
    "summary.json",
    "judged.csv",
    "report.html",
    "plots",
    "images",
    "targets.json",
    "control.json",
    "prometheus",
    RESERVE,
)


class Recorder:
    """Owns the run's folder while the run lasts. Raises RecordError where it cannot be written, or
    where a file of the record is in it already."""

    def __init__(self, folder: Path, scenario: Scenario) -> None:
        self.folder = folder
        self._scenario = scenario
        self._images = scenario.report.images
        self._edges = [edge.name for edge in scenario.edges]
        self._journals: dict[str, RowJournal] = {}
        self._given_up = 0  # pictures, since the disk is full
        self.announce: Callable[[str], None] = lambda _: None  # hears what was given up
        self.rows: dict[str, RequestRow] = {}
        self.slots: list[SlotRow] = []
        self.gallery: list[Gallery] = []
        self.events: list[dict[str, Any]] = []
        self._ticks: list[TickRow] = []
        self._begin: dict[str, Any] = {}
        if _is_filled(folder / SCENARIO):
            raise RecordError(f"{folder}: a run is in there already")
        try:
            (folder / "images").mkdir(parents=True, exist_ok=True)
            text = scenario.dump() + yaml.safe_dump({"versions": versions()}, sort_keys=True)
            write_at_once(folder / SCENARIO, text)
            for name in JOURNALS:
                if name == "ticks" and not scenario.report.perfetto:
                    continue
                if name == "checks" and not _checks(scenario):
                    continue
                self._journals[name] = RowJournal(folder / f"{name}.jsonl", self._make_room)
            self._reserve = Reserve(folder)
        except OSError as error:
            self.discard()
            raise RecordError(f"{folder}: the run's folder cannot be written: {error}") from error

    def began(
        self,
        step_s: Mapping[str, float],
        pipeline: Mapping[str, Any],
        resumed: str | None,
        pace: Mapping[str, MachinePace] | None = None,
    ) -> None:
        """What the summary needs of a run that breaks off: each edge's seconds for one step of one
        request, the identity of the outputs, the run whose learner's state it began with, each
        edge's machine against its profile; and this process, without which it has broken off."""
        self._begin = {
            "centre": asdict(Centre.here(str(self.folder))),
            "step_s": dict(step_s),
            "pipeline": dict(pipeline),
            "resumed_from": resumed,
            "pace": {edge: asdict(one) for edge, one in (pace or {}).items()},
        }
        self._write_begin()

    def members(self, members: Sequence[Mapping[str, Any]]) -> None:
        """Who has asked since when and until when, where users have come or gone
        (orchestrator.live.membership)."""
        self._begin["members"] = members
        self._write_begin()

    def asking_ended(self, until_s: float) -> None:
        """Users asked until then, scenario seconds: nothing is due later."""
        self._begin["until_s"] = until_s
        self._write_begin()

    def _write_begin(self) -> None:
        with contextlib.suppress(OSError):  # a full disk ends the run through the rows
            write_at_once(self.folder / BEGIN, json.dumps(self._begin) + "\n")

    def ended(self, ended: Iterable[EndedRequest]) -> None:
        """Requests that ended, with their pictures; and those whose row comes again."""
        for one in ended:
            self.rows[one.row.request_id] = one.row
            if one.again:
                self._write("checks", vars(CheckRow.of(one.row)))
                continue
            self._write("requests", one.row.dict())
            if one.picture is not None and self._images:
                self._image(one.row.request_id, one.picture)

    def slot(self, row: SlotRow) -> None:
        """A slot that ended."""
        self.slots.append(row)
        self._write("slots", vars(row))

    def ticks(self, edge: str, ticks: Iterable[Tick]) -> None:
        """Ticks of an edge's engine, where the scenario has them recorded."""
        rows = [TickRow(edge=edge, **asdict(tick)) for tick in ticks]
        self._ticks += rows
        for row in rows:
            self._write("ticks", vars(row))

    def event(
        self,
        at_s: float,
        text: str,
        kind: str | None = None,
        place: int | None = None,
        phase: str | None = None,
    ) -> None:
        """Something a reader of the report should know: a part that died, an interruption; or an
        event of the timeline, see EventRow."""
        row = EventRow(at_s=round(at_s, 3), text=text, kind=kind, place=place, phase=phase)
        self.events.append(vars(row))
        if not self._journals["events"].closed:
            with contextlib.suppress(OSError):  # a full disk ends the run through the rows
                self._write("events", self.events[-1])

    def checkpoint(self, edge: str, state: bytes) -> None:
        """The state of an edge's learner, in place of the one before: a reader sees the old file or
        the new one."""
        write_at_once(self.folder / checkpoint_file(edge, self._edges), state)

    def policy_failed(self, error: PolicyFailed, edge: str | None = None) -> None:
        """A policy's own traceback, below the line that says what failed."""
        path = self.folder / traceback_file(edge, self._edges)
        with contextlib.suppress(OSError):  # a full disk ends the run through the rows
            write_at_once(path, f"{error}\n\n{error.traceback}")

    def compared(self, gallery: Iterable[Gallery]) -> None:
        """Pictures made again without reuse: what they say of quality goes into the rows, they into
        images/, and with them the picture that they are compared with."""
        gallery = [*gallery]
        self.gallery += gallery
        for one in gallery:
            self.rows[one.request_id].psnr_db = one.psnr_db
            if one.frame is not None:
                self._image(f"{one.request_id}-frame", one.frame)
            self._image(f"{one.request_id}-reference", one.reference)
            if not self._images:
                self._image(one.request_id, one.picture)
        if gallery and self._scenario.modes.denoiser == "real":  # paced pictures show nothing
            # it renders, and computes: a second to import, and few runs need it
            from orchestrator.records import picture_quality

            picture_quality.measure(self._scenario, self.rows, gallery)

    def close(self) -> None:
        """Make the parquet files; the journals go once those are on disk."""
        self._reserve.release()
        if self._given_up:
            self.announce(f"{self._given_up} pictures were given up: the disk was full")
        for journal in self._journals.values():
            journal.close()
        requests = [row.dict() for row in self.rows.values()]
        write_parquet(self.folder / "requests.parquet", RequestRow, requests)
        slots = [vars(row) for row in self.slots]
        write_parquet(self.folder / "slots.parquet", SlotRow, slots)
        if "ticks" in self._journals:
            ticks = [vars(row) for row in self._ticks]
            write_parquet(self.folder / "ticks.parquet", TickRow, ticks)
        for name in self._journals:
            (self.folder / f"{name}.jsonl").unlink()

    def discard(self) -> None:
        """Remove what a run that never began has left."""
        for name, journal in self._journals.items():
            journal.close()
            (self.folder / f"{name}.jsonl").unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            (self.folder / RESERVE).unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            (self.folder / BEGIN).unlink(missing_ok=True)
            (self.folder / "images").rmdir()
        with contextlib.suppress(OSError):
            release_folder(self.folder, SCENARIO)

    def _image(self, name: str, data: bytes) -> None:
        if self._given_up:
            self._given_up += 1
            return
        try:
            write_at_once(self.folder / "images" / f"{name}.png", data)
        except OSError as error:
            if not is_full(error):
                raise
            self._given_up = 1
            self.announce("the disk is full: pictures are given up, what room is left is the rows'")

    def _make_room(self) -> bool:
        """Give the rows the room that was kept for them; False where it is used up."""
        nbytes = self._reserve.nbytes
        if not self._reserve.release():
            return False
        self.announce(
            f"the disk is full: rows go into the {nbytes:,} bytes that were kept for them"
        )
        return True

    def _write(self, journal: str, row: dict[str, Any]) -> None:
        self._journals[journal].write(row)


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
    """Claim `--out`, or runs/<name>-<time>. Raises OptionError where a run is there already."""
    edges = [edge.name for edge in scenario.edges]
    states = [checkpoint_file(edge, edges) for edge in edges]
    return claim_folder(scenario.name, out, SCENARIO, (*RESULTS, *states))


def read_run(folder: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Request and slot rows of a run, from parquet, or from the journal of one that broke off.
    Raises RecordError."""
    if not _is_filled(folder / SCENARIO):
        raise RecordError(f"{folder}: no run is in there (no {SCENARIO})")
    # an older run's rows have fewer columns
    requests, slots = (
        [{**optional_columns(kind), **row} for row in _rows(folder, name)]
        for name, kind in (("requests", RequestRow), ("slots", SlotRow))
    )
    return requests, slots


def read_events(folder: Path) -> list[dict[str, Any]]:
    """What happened in a run that broke off, as far as its journals tell; damage to them is the
    last event. Raises RecordError."""
    present = [name for name in JOURNALS if (folder / f"{name}.jsonl").is_file()]
    journals = {name: read_journal(folder, name) for name in present}
    events = journals["events"][0] if "events" in journals else []
    at_s = max((event["at_s"] for event in events), default=0.0)
    for name, (_, damaged) in journals.items():
        if damaged:
            text = f"{name}.jsonl: {damaged} damaged lines are left out"
            events.append({"at_s": at_s, "text": text})
    return events


def read_begin(folder: Path) -> dict[str, Any]:
    """Read what `Recorder.began` wrote; nothing where it is not there, or damaged."""
    try:
        tree = parse_json((folder / BEGIN).read_bytes())
    except (OSError, ValueError):
        return {}
    return tree if isinstance(tree, dict) else {}


def versions() -> dict[str, str]:
    """The versions of the program and of what it stands on."""
    by_name = {"midstep": __version__, "python": platform.python_version()}
    for name in ("torch", "diffusers", "transformers", "ray", "grpcio", "numpy"):
        try:
            by_name[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            by_name[name] = "not installed"
    return by_name


def _rows(folder: Path, name: str) -> list[dict[str, Any]]:
    """Read the table, or the journal where the table is missing or damaged by a kill."""
    parquet = folder / f"{name}.parquet"
    journal = folder / f"{name}.jsonl"
    if not parquet.is_file() and not journal.is_file():
        raise RecordError(f"{folder}: neither {name}.parquet nor {name}.jsonl is there")
    if parquet.is_file():
        try:
            return read_parquet(parquet)
        except RecordError:
            if not journal.is_file():
                raise
    return read_journal(folder, name)[0]


def _checks(scenario: Scenario) -> bool:
    """Whether pictures of a run are checked."""
    return scenario.modes.denoiser == "real" and scenario.reuse.check_share > 0


def _is_filled(path: Path) -> bool:
    """Whether a file is there that is no mere claim."""
    try:
        return path.stat().st_size > 0
    except OSError:
        return False
