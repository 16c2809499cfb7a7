"""A results folder belongs to one command: claims at once, `--out`, and what bad input leaves."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from midstep.errors import OptionError, RecordError
from midstep.scenario import Scenario
from midstep.scenario_file import parse
from orchestrator.cli import main
from orchestrator.live.launch import Options
from orchestrator.live.run import run
from orchestrator.records import folders
from orchestrator.records.folders import claim_folder, release_folder, released_on_failure
from orchestrator.records.recorder import Recorder
from orchestrator.records.run_files import run_folder
from orchestrator.records.run_reader import read_run
from tests import paced

MARKER = "summary.json"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, and a clock that stands still."""
    monkeypatch.chdir(tmp_path)
    still = SimpleNamespace(strftime=lambda _: "20260101-000000")  # folders alone: others may parse
    monkeypatch.setattr(folders, "time", still)
    return tmp_path


def test_claims_in_one_second_are_as_many_folders() -> None:
    claimed: list[Path] = []
    barrier = threading.Barrier(8)

    def claim() -> None:
        barrier.wait()
        claimed.append(claim_folder("laptop", None, MARKER))

    threads = [threading.Thread(target=claim) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    numbers = ["", *(f"-{n}" for n in range(2, 9))]
    assert sorted(map(str, claimed)) == sorted(f"runs/laptop-20260101-000000{n}" for n in numbers)


def test_claims_of_several_processes_are_as_many_folders(tmp_path: Path) -> None:
    code = (
        "import sys, time; from orchestrator.records import folders; "
        "folders.time.strftime = lambda _: 'now'; sys.stdin.readline(); "
        "print(folders.claim_folder('laptop', None, 'scenario.yaml'))"
    )
    root = Path(__file__).parents[3]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            env={"PYTHONPATH": str(root)},
        )
        for _ in range(3)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    names = [process.communicate(timeout=60)[0].strip() for process in processes]
    assert sorted(names) == ["runs/laptop-now", "runs/laptop-now-2", "runs/laptop-now-3"]


def test_three_runs_in_one_second_leave_three_records() -> None:
    for policy in ("lru", "none", "lru"):
        assert run(parse(paced.tree(duration_s=5, policy={"name": policy})), Options()) == 0
    records = sorted(path.parent for path in Path("runs").glob("*/summary.json"))
    assert len(records) == 3
    assert all(read_run(folder)[0] for folder in records)


def test_of_two_that_name_the_same_folder_one_is_refused(scenario: Scenario) -> None:
    claimed: list[Path] = []
    refused: list[str] = []
    barrier = threading.Barrier(4)

    def claim() -> None:
        barrier.wait()
        try:
            claimed.append(run_folder(scenario, "mine"))
        except OptionError as error:
            refused.append(str(error))

    threads = [threading.Thread(target=claim) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(claimed) == 1
    assert all("a run is in there already" in text for text in refused) and len(refused) == 3


def test_a_run_into_the_working_folder_ends_well(here: Path) -> None:
    (here / "notes.txt").write_text("mine")
    assert run(parse(paced.tree(duration_s=5)), Options(out=".")) == 0
    assert (here / "report.html").exists() and (here / "notes.txt").read_text() == "mine"


def test_a_strangers_rows_are_neither_truncated_nor_removed(here: Path) -> None:
    rows = here / "by-hand" / "requests.jsonl"
    rows.parent.mkdir()
    rows.write_text("mine\n")
    with pytest.raises(OptionError, match=r"requests\.jsonl is in there"):
        run(parse(paced.tree(duration_s=5)), Options(out="by-hand"))
    assert [path.name for path in rows.parent.iterdir()] == ["requests.jsonl"]
    assert rows.read_text() == "mine\n"


def test_a_recorder_overwrites_nothing_by_itself(scenario: Scenario, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "slots.jsonl").write_text("mine\n")
    with pytest.raises(RecordError, match="cannot be written"):
        Recorder(folder, scenario)
    assert (folder / "slots.jsonl").read_text() == "mine\n"
    (folder / "slots.jsonl").unlink()
    recorder = Recorder(folder, scenario)
    with pytest.raises(RecordError, match="a run is in there already"):
        Recorder(folder, scenario)
    recorder.close()
    assert read_run(folder) == ([], [])


def test_bad_input_leaves_nothing(here: Path) -> None:
    for arguments in (
        ["simulate", "literal", "--policies", "lru,lur", "--slots", "20", "--seeds", "1"],
        ["simulate", "literal", "--policies", "informed", "--slots", "20", "--seeds", "1"],
        ["run", "--policy", "lur"],
    ):
        assert main(arguments) == 2
    assert not list(here.rglob("*.json")) and not list(here.rglob("*.yaml"))
    assert not list(here.glob("runs/*"))


def test_a_claim_is_released_unless_it_holds_a_result(here: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        with released_on_failure(claim_folder("a", "out", MARKER), MARKER):
            raise ZeroDivisionError
    assert not (here / "out").exists()
    with pytest.raises(ZeroDivisionError):
        with released_on_failure(claim_folder("a", "out", MARKER), MARKER):
            (here / "out" / MARKER).write_text("{}")
            raise ZeroDivisionError
    assert (here / "out" / MARKER).read_text() == "{}"
    release_folder(claim_folder("a", ".", MARKER), MARKER)
    assert here.is_dir() and not (here / MARKER).exists()


@pytest.mark.parametrize(
    ("out", "text"),
    [
        ("", "names no folder"),
        ("file", "a file is in its place"),
        ("file/below", "the folder cannot be made"),
        ("x" * 300, "the folder cannot be made"),
    ],
)
def test_a_folder_that_cannot_be_is_one_line(here: Path, out: str, text: str) -> None:
    (here / "file").write_text("")
    with pytest.raises(OptionError, match=text) as error:
        claim_folder("a", out, MARKER)
    assert "\n" not in str(error.value)


def test_simulations_do_not_overwrite_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["simulate", "literal", "--policies", "ncldc", "--slots", "10", "--seeds", "1"]
    assert [main([*command, *more]) for more in ([], [], ["--out", "mine"])] == [0, 0, 0]
    assert len(list(Path("runs").glob("*/seeds.csv"))) == 2
    assert main([*command, "--out", "mine"]) == 2
    assert "results are in there already" in capsys.readouterr().err
