"""`midstep top`: what a run's folder says while it is written, half-written, finished, or left
behind."""

import io
import json
import math
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from midstep.scenario_file import parse
from orchestrator.cli import main
from orchestrator.live.launch import Options
from orchestrator.live.run import run
from orchestrator.records.run_reader import read_run
from orchestrator.watch import live, top
from orchestrator.watch.top import Journal, Watch, newest_run
from tests import paced
from tests.orchestrator.cluster.live_run import PACED
from tests.orchestrator.cluster.live_run import live as going_on
from tests.orchestrator.watch.figure_rows import text


@pytest.fixture
def ended(tmp_path: Path) -> Path:
    """A run in virtual time that is over."""
    folder = tmp_path / "runs" / "paced"
    assert run(parse(paced.tree(policy={"name": "drc"})), Options(out=str(folder))) == 0
    return folder


class Going:
    """An ended run told once more, slot by slot, as if it were going on."""

    def __init__(self, ended: Path, folder: Path, pid: int) -> None:
        self.folder = folder
        (self.rows, self.slots) = read_run(ended)
        folder.mkdir(parents=True)
        (folder / "scenario.yaml").write_bytes((ended / "scenario.yaml").read_bytes())
        for name in ("requests", "slots", "events"):
            (folder / f"{name}.jsonl").touch()
        (folder / "control.json").write_text(
            json.dumps({"address": "127.0.0.1:1", "token": "t", "pid": pid})
        )
        self._ended = ended

    def write(self, name: str, text: str) -> None:
        with (self.folder / f"{name}.jsonl").open("a") as journal:
            journal.write(text)

    def tell(self, slot: int) -> None:
        """One slot of the run."""
        self.write(
            "requests", "".join(json.dumps(row) + "\n" for row in self.rows if row["slot"] == slot)
        )
        self.write(
            "slots", "".join(json.dumps(row) + "\n" for row in self.slots if row["slot"] == slot)
        )

    def end(self) -> None:
        """In the order in which a run ends: control, tables, journals, summary."""
        (self.folder / "control.json").unlink()
        for name in ("requests", "slots"):
            (self.folder / f"{name}.parquet").write_bytes(
                (self._ended / f"{name}.parquet").read_bytes()
            )
        for name in ("requests", "slots", "events"):
            (self.folder / f"{name}.jsonl").unlink()
        (self.folder / "summary.json").write_bytes((self._ended / "summary.json").read_bytes())


@pytest.fixture
def going(ended: Path, tmp_path: Path) -> Going:
    return Going(ended, tmp_path / "runs" / "going", os.getpid())


def test_a_half_written_line_waits_for_its_end_and_no_row_comes_twice(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    told = {"kind": None, "place": None, "phase": None}  # of no event of the timeline
    first, second, third = ({**told, "at_s": n, "text": "a}b"} for n in (1, 2, 3))
    lines = [json.dumps(row) + "\n" for row in (first, second, third)]
    path.write_text(lines[0] + lines[1][:-4])
    journal = Journal(tmp_path, "events")
    assert list(journal.rows()) == [first]
    assert list(journal.rows()) == []
    with path.open("a") as file:
        file.write(lines[1][-4:] + lines[2])
    assert list(journal.rows()) == [second, third]


def test_a_damaged_line_hides_no_other(tmp_path: Path) -> None:
    damaged = b'{"at_s": 1, "te}\n{"at_s": 1}\n[1]\n\xff{"at_s": 1, "text": ""}\n'
    (tmp_path / "events.jsonl").write_bytes(damaged + b'{"at_s": 2, "text": "whole"}\n')
    rows = list(Journal(tmp_path, "events").rows())
    assert [row["text"] for row in rows] == ["whole"]


def test_an_ended_run_shows_what_its_summary_says(ended: Path) -> None:
    watch = Watch(ended)
    assert watch.look() is False and watch.state == "ended"
    summary = json.loads((ended / "summary.json").read_text())
    means = {name: value["mean"] for name, value in summary["policies"]["drc"].items()}
    edge = watch.figures.edges["edge-0"]
    assert watch.figures.results["done"] == means["requests"]
    assert edge.hit_ratio == pytest.approx(means["hit_ratio"])
    rows = read_run(ended)[0]
    exact = np.percentile([row["total_s"] for row in rows], [50, 95, 99], method="inverted_cdf")
    assert edge.tally.quantiles_s("total", (0.5, 0.95, 0.99)) == pytest.approx(exact, rel=0.0101)
    assert summary["verdict"] in text(watch.figures, watch.state)
    assert "all of it" in text(watch.figures)


def test_a_summary_whose_verdict_is_no_text_is_passed_over(ended: Path, tmp_path: Path) -> None:
    folder = tmp_path / "damaged"
    shutil.copytree(ended, folder)
    whole = json.loads((folder / "summary.json").read_text())
    for verdict in (1.5, True, ["VALID"]):
        (folder / "summary.json").write_text(json.dumps({**whole, "verdict": verdict}))
        watch = Watch(folder)
        watch.look()
        assert "VALID" in text(watch.figures, watch.state)  # what its rows say


def test_a_run_that_goes_on_is_followed_and_its_end_is_seen(going: Going) -> None:
    watch = Watch(going.folder)
    assert watch.look() and watch.figures.last_slot == -1
    for slot in range(5):
        going.tell(slot)
    going.write("events", '{"at_s": 4.5, "text": "host-1 died: 2 devices fewer"}\n')
    assert watch.look() and watch.state == "running"
    assert watch.figures.results["done"] == sum(row["slot"] < 5 for row in going.rows) > 0
    assert "running, 5 of 30 s" in text(watch.figures, watch.state)
    assert "4.5 s: host-1 died: 2 devices fewer" in text(watch.figures)
    for slot in range(5, len(going.slots)):
        going.tell(slot)
    going.end()
    assert watch.look() is False and watch.state == "ended"
    assert watch.figures.results["done"] == len(going.rows)


@pytest.mark.parametrize(("clock", "state"), [("wall", "ending"), ("virtual", "running")])
def test_a_run_without_a_control_file_is_ending_once_it_has_slots(
    going: Going, clock: str, state: str
) -> None:
    """Opened late, while the run compares pictures: `top` said that it was starting."""
    scenario = (going.folder / "scenario.yaml").read_text()
    (going.folder / "scenario.yaml").write_text(
        scenario.replace("clock: virtual", f"clock: {clock}")
    )
    (going.folder / "control.json").unlink()
    watch = Watch(going.folder)
    assert watch.look() and watch.state == "starting"
    going.tell(0)
    late = Watch(going.folder)
    assert late.look() and late.state == state


def test_a_run_whose_process_is_gone_broke_off(ended: Path, tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    going = Going(ended, tmp_path / "runs" / "going", gone.pid)
    going.tell(0)
    watch = Watch(going.folder)
    assert watch.look() is False and watch.state == "broke off"
    assert watch.figures.results["done"] == sum(row["slot"] == 0 for row in going.rows)


def test_watching_ends_by_itself_when_the_run_does(
    going: Going, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = io.StringIO()
    monkeypatch.setattr(
        top,
        "Console",
        lambda: Console(file=terminal, force_terminal=True, width=100, color_system=None),
    )
    slots = iter(range(len(going.slots)))

    def later(_: float) -> None:
        if (slot := next(slots, None)) is None:
            going.end()
        else:
            going.tell(slot)

    monkeypatch.setattr(time, "sleep", later)
    ended: list[int] = []
    watching = threading.Thread(
        target=lambda: ended.append(top.top(going.folder, 1.0, False)), daemon=True
    )
    watching.start()
    watching.join(60)
    assert ended == [0]
    assert f"ended, {len(going.slots)} s in all" in terminal.getvalue().rpartition("paced: ")[2]
    assert "running, 3 of 30 s" in terminal.getvalue()


def test_without_a_name_the_newest_run_is_shown_once(
    ended: Path, going: Going, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    os.utime(ended / "scenario.yaml", (1, 1))
    monkeypatch.chdir(going.folder.parent.parent)
    assert newest_run() == Path("runs/going")
    going.tell(0)
    assert main(["top", "--once"]) == 0
    assert "running, 1 of 30 s" in capsys.readouterr().out
    assert main(["top", "runs/paced"]) == 0  # no terminal, so once as well
    assert "ended" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["top", "nowhere"], "nowhere: no run is in there"),
        (["top"], "no run is in runs/: start one with `midstep run`"),
        (
            ["top", "nowhere", "--interval", "soon"],
            "--interval 'soon' is not a duration such as 60s",
        ),
    ],
)
def test_what_holds_no_run_is_one_line(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    assert [line for line in capsys.readouterr().err.splitlines() if message in line] != []


def test_watching_loads_neither_torch_nor_ray(going: Going) -> None:
    code = (
        "import sys; from orchestrator.cli import main; main(['top', sys.argv[1], '--once']); "
        "print({m for m in ('torch', 'diffusers', 'ray', 'pyarrow') if m in sys.modules})"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code, str(going.folder)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[3],
    )
    assert ended.stdout.splitlines()[-1] == "set()"


@pytest.mark.ray
def test_a_live_run_is_seen_going_and_ended(
    tmp_path: Path, ray_address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with going_on(
        tmp_path / "run", ray_address, *PACED, "--users", "4", "--duration", "6s"
    ) as running:
        running.until_slots(3)
        assert main(["top", str(running.folder), "--once"]) == 0
        terminal = capsys.readouterr().out
        assert ": running, " in terminal and "4 users" in terminal
        assert running.end() == 0
    assert main(["top", str(running.folder)]) == 0
    rows = read_run(running.folder)[0]
    terminal = capsys.readouterr().out
    assert (
        ": ended, " in terminal
        and f"{len(rows)} done, 0 rejected" in terminal
        and "4 users" in terminal
    )


def test_a_run_in_a_terminal_draws_the_same_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = io.StringIO()
    console = Console(file=terminal, force_terminal=True, width=100, color_system=None)
    monkeypatch.setattr(live, "Console", lambda **_: console)
    monkeypatch.setattr(live, "REDRAW_S", 0.0)
    assert run(parse(paced.tree(duration_s=12)), Options(out=str(tmp_path / "run"))) == 0
    done = sum(row["slot"] < 12 for row in read_run(tmp_path / "run")[0])
    last = terminal.getvalue().rpartition("paced: ")[2]
    assert "running, 12 of 12 s, 4 users" in last and f"{done} done, 0 rejected" in last
    assert "drift+penalty" in last and "req/s" in last


def test_a_run_elsewhere_says_a_line_every_five_slots(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(parse(paced.tree(duration_s=12)), Options(out=str(tmp_path / "run"))) == 0
    rows = read_run(tmp_path / "run")[0]
    lines = [line for line in capsys.readouterr().err.splitlines() if "req/min" in line]
    assert [line.split()[1] for line in lines] == ["5", "10"]
    done = [row for row in rows if row["slot"] < 10]
    assert f"users 4  done {len(done)}" in lines[-1]
    assert (
        f"device {1e3 * math.fsum(row['device_s'] for row in done) / len(done):.0f} ms" in lines[-1]
    )
