"""Recorder, summary, fidelity, report: what a run leaves, and what it leaves when it breaks off."""

import json
import tracemalloc
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from midstep.errors import PolicyFailed, RecordError
from midstep.scenario import Scenario, Threshold
from midstep.telemetry.record import COLUMNS
from orchestrator.cli import main
from orchestrator.records import report, summary
from orchestrator.records.recorder import Recorder
from orchestrator.records.rows import EndedRequest
from orchestrator.records.run_reader import read_run
from tests.orchestrator.records.record_rows import row, slot


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


def test_a_long_run_keeps_no_row_that_is_on_disk(scenario: Scenario, tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "run", scenario)
    tracemalloc.start()
    for number in range(1_000):
        recorder.ended([EndedRequest(row(number), None)])
        recorder.slot(slot(number))
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 200_000  # a thousand rows take some 1.5 MB
    assert len(recorder.rows) == len(recorder.slots) == 1_000


def test_what_comes_after_the_rows_were_read_back_is_among_them(
    scenario: Scenario, tmp_path: Path
) -> None:
    recorder = Recorder(tmp_path / "run", scenario)
    recorder.ended([EndedRequest(row(1), None)])
    assert [*recorder.rows] == ["r-1"]
    recorder.ended([EndedRequest(row(2, result="failed"), None)])
    recorder.close()
    assert [*recorder.rows] == ["r-1", "r-2"]
    assert [one["result"] for one in read_run(tmp_path / "run")[0]] == ["done", "failed"]


def test_lines_that_were_damaged_before_they_were_read_back_are_counted(
    scenario: Scenario, tmp_path: Path
) -> None:
    recorder = Recorder(tmp_path / "run", scenario)
    said = list[str]()
    recorder.announce = said.append
    recorder.ended([EndedRequest(row(number), None) for number in range(4)])
    journal = tmp_path / "run" / "requests.jsonl"
    first, second, *_ = journal.read_text().splitlines()
    journal.write_text("\n".join([first, second[:50], "7", '{"request_id": "r-3"}']) + "\n")
    assert [*recorder.rows] == ["r-0"]
    assert said == ["requests.jsonl: 3 damaged lines are left out"]


def test_a_run_that_broke_off_still_gets_its_report(scenario: Scenario, tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "run", scenario)
    recorder.ended([EndedRequest(row(i), None) for i in range(3)])
    recorder.slot(slot(0))
    with (tmp_path / "run" / "requests.jsonl").open("a") as journal:
        journal.write('{"request_id": "cut off in the mid')
    page = report.write(tmp_path / "run").read_text()
    assert "the run broke off" in page
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["policies"]["lru"]["requests"]["mean"] == 3


def test_a_folder_without_a_run_is_told(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="no run is in there"):
        report.write(tmp_path)


def test_a_folder_that_cannot_be_written_is_told(scenario: Scenario, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordError, match="cannot be written"):
        Recorder(tmp_path / "file" / "run", scenario)


def test_summary_counts_what_the_rows_say() -> None:
    rows = [
        row(1).dict(),
        row(2, reuse="exact", edge_steps=0, saved_steps=6, total_s=2.0, psnr_db=30.0).dict(),
        row(3, reuse="shared", edge_steps=0, saved_steps=6, total_s=4.0).dict(),
        row(4, result="rejected", total_s=None).dict(),
        row(5, result="failed", total_s=None).dict(),
    ]
    metrics = summary.metrics(rows, [vars(slot(0))], step_s={"edge-0": 0.01})
    assert (
        metrics["requests"]["mean"],
        metrics["rejected"]["mean"],
        metrics["failed"]["mean"],
    ) == (3, 1, 1)
    assert metrics["hit_ratio"]["mean"] == pytest.approx(1 / 3)
    assert metrics["hit_ratio_in_slot"]["mean"] == pytest.approx(2 / 3)
    assert metrics["edge_saved_ms"]["mean"] == pytest.approx(1e3 * 0.01 * 12 / 3)
    assert metrics["response_per_request_ms"]["mean"] == pytest.approx(1e3 * (2.71 + 2.0 + 4.0) / 3)
    assert metrics["response_ms"]["mean"] == pytest.approx(
        4000
    )  # one prompt in one slot: its slowest
    assert metrics["psnr_db"] == {"mean": 30.0, "ci95_batch_means": None}


def test_of_few_requests_the_largest_stands_beside_no_percentile() -> None:
    few = summary.metrics([row(i, total_s=float(i)).dict() for i in range(1, 90)], [], {})
    assert few["p50_s"]["mean"] == 45 and few["largest_s"]["mean"] == 89
    assert few["p95_s"]["mean"] is None and few["p99_s"]["mean"] is None
    assert few["edge_saved_ms"]["mean"] is None  # no step time is known, so no time saved


def test_intervals_within_a_run_have_their_own_name() -> None:
    metrics = summary.metrics([row(i).dict() for i in range(200)], [], {"edge-0": 0.01})
    assert metrics["response_per_request_ms"] == {
        "mean": pytest.approx(2710),
        "ci95_batch_means": pytest.approx(0, abs=1e-9),
    }
    assert not any("ci95" in value for value in metrics.values())


def test_a_missed_threshold_is_one_line() -> None:
    metrics = {"hit_ratio": {"mean": 0.4}, "p95_s": {"mean": None}, "largest_s": {"mean": 3.0}}
    bounds = {
        "hit_ratio": Threshold(min=0.5),
        "p95_s": Threshold(max=1),
        "p50_s": Threshold(max=1),
    }
    lines = summary.missed({"policies": {"lru": metrics}}, "lru", bounds)
    assert lines[0] == "threshold hit_ratio: 0.4 is below 0.5"
    assert lines[1] == "threshold p95_s (largest_s, of too few requests): 3 is above 1"
    assert "no such metric" in lines[2]


def broken_off(scenario: Scenario, folder: Path) -> Recorder:
    """A run that was killed after a slot."""
    recorder = Recorder(folder, scenario)
    recorder.began({"edge-0": 0.025}, {"model": "m"}, "runs/before")
    recorder.ended([EndedRequest(row(i, reuse="exact", saved_steps=6), None) for i in range(3)])
    recorder.slot(slot(0))
    return recorder


def test_a_run_that_broke_off_knows_its_step_times(scenario: Scenario, tmp_path: Path) -> None:
    broken_off(scenario, tmp_path / "run")
    page = report.write(tmp_path / "run").read_text()
    tree = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert tree["policies"]["lru"]["edge_saved_ms"]["mean"] == pytest.approx(150)
    assert "25.0 ms a request alone" in page
    about = tree["run"]
    assert about["pipeline"] == {"model": "m"} and about["resumed_from"] == "runs/before"
    assert about["wall_s"] is None  # nobody measured it


def test_a_broken_run_is_invalid_where_its_policy_had_failed(
    scenario: Scenario, tmp_path: Path
) -> None:
    recorder = broken_off(scenario, tmp_path / "run")
    recorder.policy_failed(PolicyFailed("policy lru failed: KeyError: 'a'"))
    report.write(tmp_path / "run")
    verdict = json.loads((tmp_path / "run" / "summary.json").read_text())["verdict"]
    assert verdict.startswith("INVALID: policy lru failed: KeyError: 'a'")


def test_what_is_not_known_of_a_broken_run_is_not_zero(scenario: Scenario, tmp_path: Path) -> None:
    broken_off(scenario, tmp_path / "run")
    (tmp_path / "run" / "begin.json").write_text("{")
    page = report.write(tmp_path / "run").read_text()
    tree = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert tree["policies"]["lru"]["edge_saved_ms"]["mean"] is None
    assert tree["run"]["step_s"] is None and "0.0 ms a request alone" not in page


def test_a_torn_table_gives_way_to_the_journal(scenario: Scenario, tmp_path: Path) -> None:
    broken_off(scenario, tmp_path / "run")
    (tmp_path / "run" / "requests.parquet").write_bytes(b"")
    (tmp_path / "run" / "slots.parquet").write_bytes(b"PAR1")
    assert [len(rows) for rows in read_run(tmp_path / "run")] == [3, 1]
    report.write(tmp_path / "run")


def test_a_full_disk_leaves_no_torn_table(
    scenario: Scenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = broken_off(scenario, tmp_path / "run")

    def half(table: object, path: Path) -> None:
        path.write_bytes(b"PAR1")
        raise OSError("no room")

    monkeypatch.setattr(pq, "write_table", half)
    with pytest.raises(OSError, match="no room"):
        recorder.close()
    assert not list((tmp_path / "run").glob("*.parquet*"))
    assert len(read_run(tmp_path / "run")[0]) == 3


@pytest.mark.parametrize("content", [b"", b"{", b"{}", b"[]", b"\xff", b'{"policies": {}}'])
def test_a_damaged_summary_is_made_anew(content: bytes, scenario: Scenario, tmp_path: Path) -> None:
    broken_off(scenario, tmp_path / "run").close()
    (tmp_path / "run" / "summary.json").write_bytes(content)
    assert "summary was lost" in report.write(tmp_path / "run").read_text()
    tree = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert tree["policies"]["lru"]["requests"]["mean"] == 3


@pytest.mark.parametrize(
    ("name", "content", "status"),
    [
        ("scenario.yaml", b"", 2),
        ("scenario.yaml", b"edges: [", 2),
        ("scenario.yaml", b"\xff\xfe\x00", 2),
        ("scenario.yaml", b"just words", 2),
        ("requests.jsonl", b'{"request_id": "torn}\n\xff}\n{"request_id": "lacks a key"}\n', 0),
        ("slots.jsonl", b'[1]\n{"slot": 1}\n', 0),
        ("slots.jsonl", None, 2),
        ("requests.jsonl", None, 2),
        ("control.json", b"[]", 0),
        ("control.json", b'{"pid": "x"}', 0),
        ("summary.json", b"[]", 0),
        ("begin.json", b"[]", 0),
    ],
)
@pytest.mark.parametrize("command", ["report", "top"])
def test_a_damaged_folder_ends_in_one_line(
    command: str,
    name: str,
    content: bytes | None,
    status: int,
    scenario: Scenario,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "run"
    broken_off(scenario, folder)
    (folder / name).unlink(missing_ok=True)
    if content is None:
        (folder / name).mkdir()
    else:
        (folder / name).write_bytes(content)
    assert main([command, str(folder)]) == status
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == (status > 0), lines


def test_good_rows_beside_damaged_ones_are_reported(scenario: Scenario, tmp_path: Path) -> None:
    broken_off(scenario, tmp_path / "run")
    with (tmp_path / "run" / "requests.jsonl").open("ab") as journal:
        journal.write(b'{"request_id": "torn}\n\xff}\n{"half')
    page = report.write(tmp_path / "run").read_text()
    assert "requests.jsonl: 2 damaged lines are left out" in page
    assert len(read_run(tmp_path / "run")[0]) == 3


@pytest.mark.parametrize("command", ["report", "top"])
def test_a_path_that_no_folder_can_have_is_one_line(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, str(tmp_path / ("x" * 300))]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_rows_dict_is_its_own() -> None:
    first = row(1)
    columns = first.dict()
    assert tuple(columns) == COLUMNS
    columns["total_s"] = None
    assert first.total_s == 2.71


def test_lines_whose_columns_cannot_hold_their_values_hide_no_good_ones(
    scenario: Scenario, tmp_path: Path
) -> None:
    broken_off(scenario, tmp_path / "run")
    journal = tmp_path / "run" / "requests.jsonl"
    line = json.loads(journal.read_text().splitlines()[0])
    odd: list[tuple[str, object]] = [
        ("total_s", "x"),
        ("total_s", [1]),
        ("total_s", float("nan")),
        ("total_s", float("inf")),
        ("total_s", 10**400),
        ("user", 10**29),
        ("user", True),
        ("user", 1.5),
        ("result", None),
        ("prompt", 7),
    ]
    with journal.open("a") as file:
        for column, value in odd:
            file.write(json.dumps({**line, "request_id": "odd", column: value}) + "\n")
    page = report.write(tmp_path / "run").read_text()
    assert f"requests.jsonl: {len(odd)} damaged lines are left out" in page
    assert len(read_run(tmp_path / "run")[0]) == 3


def test_json_that_is_nested_without_end_is_damage(scenario: Scenario, tmp_path: Path) -> None:
    broken_off(scenario, tmp_path / "run")
    deep = "[" * 100_000
    (tmp_path / "run" / "summary.json").write_text(deep)
    (tmp_path / "run" / "begin.json").write_text(deep)
    with (tmp_path / "run" / "slots.jsonl").open("a") as journal:
        journal.write(deep + "\n")
    assert "slots.jsonl: 1 damaged" in report.write(tmp_path / "run").read_text()
