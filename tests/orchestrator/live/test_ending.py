"""However a run ends, its record is there: a full disk, an interruption while parts start,
everything failed."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from midstep.scenario_file import parse
from orchestrator.live.inprocess import InProcess
from orchestrator.live.launch import Options
from orchestrator.live.run import run
from orchestrator.records import fidelity, recorder
from orchestrator.records.run_reader import read_run
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


def test_an_interruption_while_the_parts_start_ends_at_once_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os
    import signal

    async def forever(self: InProcess, say: object) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.sleep(1e6)

    monkeypatch.setattr(InProcess, "open", forever)
    assert run(parse(paced.tree()), Options(out=str(tmp_path / "run"))) == 130
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("slot_seconds", "at_s"), [(60, 10.0), (60, 70.0), (5, 12.0), (1, 12.0)])
def test_an_interrupted_run_ends_in_order_and_every_request_is_in_a_slots_row(
    slot_seconds: float, at_s: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os
    import signal

    began = InProcess.open

    async def interrupted(self: InProcess, say: Any) -> Any:
        parts = await began(self, say)
        asyncio.get_running_loop().call_later(at_s, os.kill, os.getpid(), signal.SIGINT)
        return parts

    monkeypatch.setattr(InProcess, "open", interrupted)
    scenario = parse(paced.tree(slot_seconds=slot_seconds, duration_s=300))
    assert run(scenario, Options(out=str(tmp_path / "run"))) == 130
    rows, slots = read_run(tmp_path / "run")
    assert at_s - 10 < max(row["arrived_s"] for row in rows) <= at_s
    assert {row["result"] for row in rows} == {"done"}, "what was in flight is awaited"
    assert_accounted(rows, slots)
    assert "interrupted" in (tmp_path / "run" / "report.html").read_text()


@pytest.mark.parametrize(("duration_s", "slot_seconds"), [(5, 60), (90, 60), (7, 2), (3, 0.1)])
def test_nobody_asks_beyond_the_runs_duration(
    duration_s: float, slot_seconds: float, tmp_path: Path
) -> None:
    scenario = parse(paced.tree(duration_s=duration_s, slot_seconds=slot_seconds))
    assert run(scenario, Options(out=str(tmp_path / "run"))) == 0
    rows, slots = read_run(tmp_path / "run")
    assert duration_s - 5 < max(row["arrived_s"] for row in rows) <= duration_s
    assert_accounted(rows, slots)
    whole = [slot for slot in slots if slot["late_s"] is not None]
    assert len(whole) == int(duration_s / slot_seconds + 1e-9)
    assert whole == slots[: len(whole)], "only slots beyond the last whole one end unseen"
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    counts = [part["count"] for name, part in summary["fidelity"].items() if name == "slot"]
    assert counts == ([len(whole)] if whole else [])


def assert_accounted(rows: list[dict[str, Any]], slots: list[dict[str, Any]]) -> None:
    """Each finished request is in the row of the slot that it ended in; no slot is left out."""
    assert [slot["slot"] for slot in slots] == list(range(len(slots)))
    for slot in slots:
        ended = [row for row in rows if row["slot"] == slot["slot"] and row["result"] == "done"]
        assert slot["requests"] == len(ended)
    assert sum(slot["requests"] for slot in slots) == sum(row["result"] == "done" for row in rows)


def test_requests_that_the_run_cut_off_are_unfinished_and_no_failures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # some 40 s a picture, the grace is 20
    slow = [{"class": "phone", "count": 4, "speed_ratio": 0.004}]
    assert (
        run(parse(paced.tree(devices=slow, duration_s=5)), Options(out=str(tmp_path / "run"))) == 0
    )
    rows, slots = read_run(tmp_path / "run")
    assert {row["error"] for row in rows} == {"it was stopped before it was finished"}
    assert {row["result"] for row in rows} == {"unfinished"}
    assert len(rows) == 4 and slots
    said = capsys.readouterr().out
    assert "0 pictures, 0 rejected, 0 failed, 4 unfinished; " in said
    assert "\n4 unfinished: it was stopped before it was finished\n" in said
    (metrics,) = json.loads((tmp_path / "run" / "summary.json").read_text())["policies"].values()
    assert (metrics["unfinished"]["mean"], metrics["failed"]["mean"]) == (4, 0)
    patient = paced.tree(devices=slow, duration_s=5, grace_s=100)
    assert run(parse(patient), Options(out=str(tmp_path / "patient"))) == 0
    assert {row["result"] for row in read_run(tmp_path / "patient")[0]} == {"done"}


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
