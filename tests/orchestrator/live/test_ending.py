"""However a run ends, its record is there: a full disk, an interruption while parts start,
everything failed."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from midstep.scenario_file import parse
from orchestrator.live.inprocess import InProcess
from orchestrator.live.launch import Options
from orchestrator.live.run import run
from orchestrator.records import fidelity, recorder
from orchestrator.records.recorder import read_run
from tests import paced


def test_a_disk_that_fills_up_is_one_line_and_the_journals_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*args: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(recorder, "write_parquet", full)
    assert run(parse(paced.tree(duration_s=10)), Options(out=str(tmp_path / "run"))) == 3
    assert "No space left on device" in capsys.readouterr().err
    assert len(read_run(tmp_path / "run")[0]) > 5


def test_an_interruption_while_the_parts_start_ends_at_once_with_a_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os
    import signal

    async def forever(self: InProcess) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.sleep(1e6)

    monkeypatch.setattr(InProcess, "open", forever)
    assert run(parse(paced.tree()), Options(out=str(tmp_path / "run"))) == 0
    assert "interrupted" in (tmp_path / "run" / "report.html").read_text()


def test_requests_that_were_cut_off_are_in_the_record(tmp_path: Path) -> None:
    # some 40 s a picture, the grace is 20
    slow = [{"class": "phone", "count": 4, "speed_ratio": 0.004}]
    assert (
        run(parse(paced.tree(devices=slow, duration_s=5)), Options(out=str(tmp_path / "run"))) == 0
    )
    rows, slots = read_run(tmp_path / "run")
    assert {row["error"] for row in rows} == {"it was stopped before it was finished"}
    assert len(rows) == 4 and slots


def test_a_run_that_finished_nothing_is_not_valid() -> None:
    assert fidelity.verdict([], done=0).startswith("INVALID: no request was finished")


def test_slots_count_the_requests_that_ended_in_them(tmp_path: Path) -> None:
    assert run(parse(paced.tree()), Options(out=str(tmp_path / "run"))) == 0
    rows, slots = read_run(tmp_path / "run")
    assert sum(slot["requests"] for slot in slots) == len(rows)
    for slot in slots:
        ended = [row for row in rows if row["slot"] == slot["slot"]]
        assert slot["requests"] == len(ended)
        assert slot["hits"] == sum(row["reuse"] == "exact" for row in ended)
    assert [slot["slot"] for slot in slots] == list(range(len(slots)))


def test_a_device_does_one_picture_after_the_other_and_hears_one_frame_at_a_time(
    tmp_path: Path,
) -> None:
    """Open arrivals beyond what a device can do: its waiting grows, as a real one's would."""
    arrivals = {"poisson": {"per_user_per_minute": 60}}
    tree = paced.tree(workload={"catalogue_size": 20, "arrivals": arrivals}, duration_s=40)
    assert run(parse(tree), Options(out=str(tmp_path / "run"))) == 0
    rows = [
        row for row in read_run(tmp_path / "run")[0] if row["result"] == "done" and row["user"] == 0
    ]
    rows.sort(key=lambda row: row["arrived_s"])
    assert rows[-1]["total_s"] > 3 * rows[0]["total_s"]
