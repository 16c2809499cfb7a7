"""A full disk: rows have room that is kept for them, and no line is half a line."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from midstep.scenario_file import parse
from orchestrator.records import report
from orchestrator.records.journals import read_journal
from orchestrator.records.recorder import Recorder
from orchestrator.records.row_journal import RESERVE, Reserve
from orchestrator.records.rows import EndedRequest
from orchestrator.records.run_reader import read_run
from tests import paced
from tests.orchestrator.records.record_rows import row, slot

FULL = OSError(errno.ENOSPC, "No space left on device")


class Disk:
    """Stands between a journal and its file: it takes `free` bytes, and what the reserve frees."""

    def __init__(self, file: Any, folder: Path, free: int) -> None:
        self._file = file
        self._reserve = folder / RESERVE
        self.free = free
        self.freed = False

    def write(self, data: bytes) -> int:
        if not self.freed and not self._reserve.exists():
            self.freed = True
            self.free += 10_000
        if self.free == 0:
            raise FULL
        taken = min(self.free, len(data))
        self.free -= taken
        return int(self._file.write(data[:taken]))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[Recorder]:
    one = Recorder(tmp_path / "run", parse(paced.TREE))
    yield one
    for journal in one._journals.values():
        journal.close()


def on_a_small_disk(recorder: Recorder, free: int) -> list[str]:
    """Let the requests' journal have so much room; what is announced from then on."""
    journal = recorder._journals["requests"]
    journal._file = Disk(journal._file, recorder.folder, free)  # type: ignore[assignment]
    said = list[str]()
    recorder.announce = said.append
    return said


def test_room_is_taken_when_a_run_begins_and_given_back_at_its_end(recorder: Recorder) -> None:
    reserve = recorder.folder / RESERVE
    assert reserve.stat().st_blocks * 512 >= min(4_000_000, reserve.stat().st_size) > 0
    recorder.close()
    assert not reserve.exists()


def test_rows_go_on_in_the_room_that_was_kept(recorder: Recorder) -> None:
    said = on_a_small_disk(recorder, 2000)
    for number in range(6):
        recorder.ended([EndedRequest(row(number), None)])
    rows, damaged = read_journal(recorder.folder, "requests")
    assert [one["request_id"] for one in rows] == [f"r-{number}" for number in range(6)]
    assert damaged == 0 and len(said) == 1 and "rows go into the" in said[0]


def test_a_row_without_room_leaves_whole_lines_and_a_report(recorder: Recorder) -> None:
    on_a_small_disk(recorder, 500)
    recorder.slot(slot(0))
    with pytest.raises(OSError, match="No space"):
        for number in range(100):
            recorder.ended([EndedRequest(row(number), None)])
    written = (recorder.folder / "requests.jsonl").read_bytes()
    assert written.endswith(b"}\n")
    report.write(recorder.folder)
    assert len(read_run(recorder.folder)[0]) == written.count(b"\n") > 5


def test_rows_that_did_not_fit_the_journal_are_in_the_table(recorder: Recorder) -> None:
    on_a_small_disk(recorder, 500)
    with pytest.raises(OSError, match="No space"):
        recorder.ended([EndedRequest(row(number), None) for number in range(100)])
    recorder.close()  # by then somebody has made room
    assert len(read_run(recorder.folder)[0]) == 100


def test_rows_that_come_after_they_were_read_back_and_find_no_room_are_in_the_table(
    recorder: Recorder,
) -> None:
    recorder.ended([EndedRequest(row(0), None)])
    assert len(recorder.rows) == 1
    on_a_small_disk(recorder, 500)
    with pytest.raises(OSError, match="No space"):
        recorder.ended([EndedRequest(row(number), None) for number in range(1, 100)])
    recorder.close()
    assert len(read_run(recorder.folder)[0]) == 100


def test_a_slot_that_finds_no_room_is_in_the_table(recorder: Recorder) -> None:
    recorder.slot(slot(0))
    recorder._reserve.release()
    journal = recorder._journals["slots"]
    disk = Disk(journal._file, recorder.folder, 10)
    disk.freed = True  # the reserve's room was used up before
    journal._file = disk  # type: ignore[assignment]
    with pytest.raises(OSError, match="No space"):
        recorder.slot(slot(1))
    recorder.close()
    assert [one["slot"] for one in read_run(recorder.folder)[1]] == [0, 1]


def test_pictures_are_given_up_before_rows(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = list[str]()
    recorder.announce = said.append

    def full(*_: object) -> None:
        raise FULL

    monkeypatch.setattr(os, "replace", full)
    for number in range(3):
        recorder.ended([EndedRequest(row(number), b"PNG")])
    monkeypatch.undo()
    assert len(read_journal(recorder.folder, "requests")[0]) == 3
    assert not list((recorder.folder / "images").iterdir())
    recorder.close()
    assert len(said) == 2 and said[1].startswith("3 pictures were given up")


def test_no_room_is_taken_where_there_is_hardly_any(tmp_path: Path) -> None:
    reserve = Reserve(tmp_path / "none")
    assert reserve.nbytes == 0 and not reserve.release()
