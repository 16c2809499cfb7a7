"""Writes a run's record to disk. Rows go to a journal as they come, so that a failure loses
nothing, and a long run takes no more memory than a short one while it goes on; the parquet files
are made from it at the end. Of a run that broke off the journal stays, and `midstep report` reads
that."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import Any

import yaml

from midstep.diffusion.pace import MachinePace
from midstep.errors import PolicyFailed, RecordError
from midstep.scenario import Scenario
from midstep.telemetry.record import Gallery, RequestRow
from midstep.telemetry.ticks import Tick
from orchestrator.records.centre import Centre
from orchestrator.records.folders import SCENARIO, release_folder, write_at_once
from orchestrator.records.journals import JOURNALS, read_back
from orchestrator.records.row_journal import RESERVE, Reserve, RowJournal, is_full
from orchestrator.records.rows import CheckRow, EndedRequest, EventRow, SlotRow, TickRow
from orchestrator.records.run_files import BEGIN, checkpoint_file, is_filled, traceback_file
from orchestrator.records.tables import write_parquet
from orchestrator.records.versions import versions

__all__ = ["Recorder"]


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
        self.events: list[dict[str, Any]] = []
        self._rows: dict[str, RequestRow] | None = None
        self._slots: list[SlotRow] | None = None
        self._unwritten: list[RequestRow] = []  # the disk was full
        self._unwritten_slots: list[SlotRow] = []
        self._begin: dict[str, Any] = {}
        if is_filled(folder / SCENARIO):
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
        """Requests that ended, with their pictures; and those whose row comes again. Raises OSError
        where the disk is full; their rows are not lost for that."""
        ended = [*ended]
        if self._rows is not None:
            self._rows.update((one.row.request_id, one.row) for one in ended)
        for place, one in enumerate(ended):
            try:
                self._ended(one)
            except OSError:
                self._unwritten += [late.row for late in ended[place:]]
                raise

    def _ended(self, one: EndedRequest) -> None:
        if one.again:
            self._write("checks", vars(CheckRow.of(one.row)))
            return
        self._write("requests", vars(one.row))
        if one.picture is not None and self._images:
            self._image(one.row.request_id, one.picture)

    @property
    def rows(self) -> dict[str, RequestRow]:
        """Every request's row by its id. They are read back from the journal when somebody first
        asks, and kept from then on: a run asks when its users have stopped. Raises RecordError."""
        if self._rows is None:
            rows = (RequestRow(**row) for row in self._read_back("requests"))
            self._rows = {row.request_id: row for row in chain(rows, self._unwritten)}
        return self._rows

    @property
    def slots(self) -> list[SlotRow]:
        """Every slot's row, read back as `rows` are. Raises RecordError."""
        if self._slots is None:
            self._slots = [SlotRow(**row) for row in self._read_back("slots")]
            self._slots += self._unwritten_slots
        return self._slots

    def slot(self, row: SlotRow) -> None:
        """A slot that ended. Raises OSError where the disk is full; its row is kept."""
        if self._slots is not None:
            self._slots.append(row)
        try:
            self._write("slots", vars(row))
        except OSError:
            self._unwritten_slots.append(row)
            raise

    def ticks(self, edge: str, ticks: Iterable[Tick]) -> None:
        """Ticks of an edge's engine, where the scenario has them recorded."""
        for tick in ticks:
            self._write("ticks", vars(TickRow(edge=edge, **asdict(tick))))

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
        for one in gallery:
            self.rows[one.request_id].psnr_db = one.psnr_db
            if one.frame is not None:
                self._image(f"{one.request_id}-frame", one.frame)
            self._image(f"{one.request_id}-reference", one.reference)
            if one.start is not None:
                self._image(f"{one.request_id}-start", one.start)
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
        requests = [vars(row) for row in self.rows.values()]
        write_parquet(self.folder / "requests.parquet", RequestRow, requests)
        slots = [vars(row) for row in self.slots]
        write_parquet(self.folder / "slots.parquet", SlotRow, slots)
        if "ticks" in self._journals:
            ticks = [*self._read_back("ticks")]
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

    def _read_back(self, name: str) -> Iterator[dict[str, Any]]:
        """A journal's rows; what has become of lines that are none any more is said."""
        count = 0
        for row in read_back(self.folder, name):
            count += 1
            yield row
        damaged = self._journals[name].rows - count
        if damaged:
            self.announce(f"{name}.jsonl: {damaged} damaged lines are left out")

    def _write(self, journal: str, row: dict[str, Any]) -> None:
        self._journals[journal].write(row)


def _checks(scenario: Scenario) -> bool:
    """Whether pictures of a run are checked."""
    return scenario.modes.denoiser == "real" and scenario.reuse.check_share > 0
