"""Recorder, summary, fidelity, report: what a run leaves, and what it leaves when it breaks off."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from midstep.errors import ScenarioError
from midstep.scenario import Scenario, Threshold
from midstep.telemetry.record import COLUMNS, RequestRow
from orchestrator.records import fidelity, report, summary
from orchestrator.records.recorder import Recorder, read_run, run_folder
from orchestrator.records.rows import EndedRequest, SlotRow


def row(number: int, **changes: object) -> RequestRow:
    made = dict(
        prompt_key="k",
        result="done",
        reuse="computed",
        edge_steps=6,
        saved_steps=0,
        device_steps=14,
        queue_s=0.1,
        edge_s=0.2,
        transfer_s=0.4,
        device_s=2.0,
        overhead_s=0.01,
        total_s=2.71,
        frame_bytes=500_000,
        link_rate_bps=1e7,
        transfer_late_s=0.001,
        device_late_s=0.001,
    )
    return RequestRow(
        request_id=f"r-{number}",
        edge="edge-0",
        user=number,
        device_class="phone",
        process_id=1,
        prompt="a small panda",
        edge_prompt="a panda",
        **{**made, **changes},
    )  # type: ignore[arg-type]


def slot(number: int, late: float = 0.0) -> SlotRow:
    return SlotRow(number, float(number), 1, 0, 1, 2.7, 2.7, late, 0.0, 100, 1, 1, 0, 0.001)


def test_rows_are_on_disk_before_the_run_ends_and_parquet_after(
    scenario: Scenario, tmp_path: Path
) -> None:
    recorder = Recorder(tmp_path / "run", scenario)
    recorder.ended(
        [
            EndedRequest(row(1), b"png"),
            EndedRequest(row(2, result="failed", total_s=None, error="no edge"), None),
        ]
    )
    recorder.slot(slot(0))
    assert len(read_run(tmp_path / "run")[0]) == 2  # from the journal: nothing was closed
    recorder.close()
    table = pq.read_table(tmp_path / "run" / "requests.parquet")
    assert tuple(table.column_names) == COLUMNS
    assert table.schema.field("psnr_db").type == "double"  # typed although every value is null
    assert (tmp_path / "run" / "images" / "r-1.png").read_bytes() == b"png"
    assert not (tmp_path / "run" / "requests.jsonl").exists()


def test_a_run_that_broke_off_still_gets_its_report(scenario: Scenario, tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "run", scenario)
    recorder.ended([EndedRequest(row(i), None) for i in range(3)])
    recorder.slot(slot(0))
    with (tmp_path / "run" / "requests.jsonl").open("a") as journal:
        journal.write('{"request_id": "cut off in the mid')
    page = report.write(tmp_path / "run").read_text()
    assert "the run broke off" in page
    told = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert told["policies"]["lru"]["requests"]["mean"] == 3


def test_a_folder_without_a_run_is_told(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="no run is in there"):
        report.write(tmp_path)


def test_a_run_never_overwrites_another(scenario: Scenario, tmp_path: Path) -> None:
    Recorder(tmp_path / "run", scenario)
    with pytest.raises(ScenarioError, match="a run is in there already"):
        run_folder(scenario, str(tmp_path / "run"))


def test_a_folder_that_cannot_be_written_is_told(scenario: Scenario, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ScenarioError, match="cannot be written"):
        Recorder(tmp_path / "file" / "run", scenario)


def test_lateness_beyond_its_bound_makes_a_run_invalid_and_says_why() -> None:
    good = [row(i).dict() for i in range(50)]
    slots = [vars(slot(i)) for i in range(5)]
    assert fidelity.verdict(fidelity.measure(good, slots, 1.0), 50) == "VALID"
    late = [row(i, device_late_s=0.5, device_s=2.5).dict() for i in range(50)]
    told = fidelity.verdict(fidelity.measure(late, slots, 1.0), 50)
    assert told.startswith(
        "INVALID: emulator overloaded: device lateness p99 is 500 ms, the bound 40 ms"
    )
    assert "fewer users" in told


def test_a_link_that_is_off_by_more_than_a_percent_is_invalid() -> None:
    off = [row(i, transfer_late_s=0.008, transfer_s=0.408).dict() for i in range(50)]
    assert "rate is off by 2.0%" in fidelity.verdict(fidelity.measure(off, [], 1.0), 50)


def test_the_bounds_are_of_the_work_and_not_of_the_wait_before_it() -> None:
    """2 % of 40 s would be 800 ms; of the 2 s of work it is 40 ms."""
    late = [row(i, device_late_s=0.5, device_s=40.5, device_wait_s=38.0).dict() for i in range(50)]
    assert "the bound 40 ms" in fidelity.verdict(fidelity.measure(late, [], 1.0), 50)
    late = [
        row(i, transfer_late_s=0.008, transfer_s=4.408, transfer_wait_s=4.0).dict()
        for i in range(50)
    ]
    assert "rate is off by 2.0%" in fidelity.verdict(fidelity.measure(late, [], 1.0), 50)


def test_summary_counts_what_the_rows_say() -> None:
    rows = [
        row(1).dict(),
        row(2, reuse="exact", edge_steps=0, saved_steps=6, total_s=2.0, psnr_db=30.0).dict(),
        row(3, reuse="shared", edge_steps=0, saved_steps=6, total_s=4.0).dict(),
        row(4, result="rejected", total_s=None).dict(),
        row(5, result="failed", total_s=None).dict(),
    ]
    made = summary.metrics(rows, [vars(slot(0))], step_s={"edge-0": 0.01})
    assert (made["requests"]["mean"], made["rejected"]["mean"], made["failed"]["mean"]) == (3, 1, 1)
    assert made["hit_ratio"]["mean"] == pytest.approx(1 / 3)
    assert made["hit_ratio_in_slot"]["mean"] == pytest.approx(2 / 3)
    assert made["saved_ms"]["mean"] == pytest.approx(1e3 * 0.01 * 12 / 3)
    assert made["response_per_request_ms"]["mean"] == pytest.approx(1e3 * (2.71 + 2.0 + 4.0) / 3)
    assert made["response_ms"]["mean"] == pytest.approx(4000)  # one prompt in one slot: its slowest
    assert made["psnr_db"] == {"mean": 30.0, "ci95": None}


def test_a_missed_threshold_is_one_line() -> None:
    told = {"policies": {"lru": {"hit_ratio": {"mean": 0.4}}}}
    bounds = {"hit_ratio": Threshold(min=0.5), "p95_s": Threshold(max=1)}
    lines = summary.missed(told, "lru", bounds)
    assert lines[0] == "threshold hit_ratio: 0.4 is below 0.5"
    assert "no such metric" in lines[1]
