"""`midstep experiment` from end to end, its resumption, and points that fail or die."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from midstep.errors import MidstepError
from midstep.scenario import Scenario
from orchestrator import roads
from orchestrator.cli import main
from orchestrator.evaluation.experiment import plan as plans
from orchestrator.evaluation.experiment import pool
from orchestrator.evaluation.experiment.command import Setup, experiment
from orchestrator.evaluation.experiment.points import expand
from orchestrator.evaluation.experiment.progress import Progress
from tests.orchestrator.evaluation.experiment.test_plan import file

VARY = {"policy.name": ["none", "lru"], "seed": [1, 2]}
POISSON = {"poisson": {"per_user_per_minute": 60}}


def small(folder: Path, **changes: Any) -> Path:
    tree = {"vary": VARY, "baseline": {"policy.name": "none"}, "duration_s": "5s"}
    return file(folder, **{**tree, "set": {"workload.arrivals": POISSON}, **changes})


def setup(executor: pool.Executor = pool.here, road: pool.Road = roads.virtual) -> Setup:
    return Setup(
        road=road, check=roads.check, executor=executor, jobs=1, command="midstep experiment e.yaml"
    )


def play(path: Path, out: Path, how: Setup) -> int:
    return experiment(path, plans.read(path), str(out), how)


def contents(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


class Killed(BaseException):
    """What a kill leaves: nothing behind it is run."""


def test_two_policies_two_seeds_and_on_after_a_kill(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = small(tmp_path)
    out = tmp_path / "out"
    played: list[str] = []

    def twice(road: pool.Road, tasks: Sequence[pool.Task]) -> Iterator[pool.Outcome]:
        for task in tasks:
            if len(played) == 2:
                task.folder.mkdir()
                (task.folder / "requests.jsonl").write_text("half a row")
                raise Killed
            played.append(task.id)
            yield pool.play(road, task)

    with pytest.raises(Killed):
        play(path, out, setup(twice))
    done = {name: contents(out / "points" / name) for name in played}
    assert all(done.values()) and not (out / "table.csv").exists()
    assert play(path, out, setup()) == 0
    assert {name: contents(out / "points" / name) for name in played} == done
    assert len(list((out / "points").iterdir())) == 4
    output = capsys.readouterr()
    assert "2 are there already" in output.err and "3 of 4  none, seed 2" in output.err
    assert "1 of 1 differences, at least 100.0% of the requests in common" in output.out

    with (out / "table.csv").open() as table:
        rows = {(row["policy.name"], row["metric"]): row for row in csv.DictReader(table)}
    hits = rows["lru", "hit_ratio"]
    assert float(hits["difference"]) == float(hits["mean"]) > 0  # none has no hit
    assert (hits["n"], hits["over"], hits["pairing"]) == ("2", "seeds", "request by request")
    assert rows["none", "hit_ratio"]["difference"] == ""
    assert pq.read_table(out / "table.parquet").num_rows == len(rows)
    assert pq.read_table(out / "runs.parquet").column("seed").to_pylist() == [1, 1, 2, 2]
    page = (out / "experiment.html").read_text()
    assert "midstep experiment e.yaml" in page and page.count("<svg") == 5
    assert not list(out.rglob("report.html"))

    assert play(path, out, setup(pool.here, broken)) == 0  # nothing is left to play


def broken(scenario: Scenario, folder: Path) -> None:
    """A road that fails for lru, after it has written something."""
    folder.mkdir()
    (folder / "begun.txt").write_text("")
    if scenario.policy.name == "lru":
        raise ValueError("no such\nluck")
    roads.virtual(scenario, folder)


def test_a_point_that_fails_leaves_its_traceback_and_the_others_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = small(tmp_path, vary={"policy.name": ["lru", "none"]})
    out = tmp_path / "out"
    assert play(path, out, setup(road=broken)) == 3
    (lru,) = (out / "points").glob("lru-*")
    text = (lru / "traceback.txt").read_text()
    assert text.startswith("ValueError: no such luck\n\nTraceback") and "in broken" in text
    assert (lru / "begun.txt").exists()
    assert "failed: ValueError: no such luck" in capsys.readouterr().err
    assert "no such luck" in (out / "experiment.html").read_text()
    assert play(path, out, setup()) == 0
    assert not (lru / "traceback.txt").exists()


def dying(scenario: Scenario, folder: Path) -> None:
    """A road whose process is killed at seed 1, and says which it is."""
    if scenario.seed == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    folder.mkdir(parents=True)
    (folder / "process").write_text(f"{os.getpid()} {os.environ['OMP_NUM_THREADS']}")


def test_a_process_that_dies_takes_one_point_with_it(tmp_path: Path) -> None:
    tasks = [
        pool.Task(id=f"p{seed}", scenario=Scenario(seed=seed), folder=tmp_path / f"p{seed}")
        for seed in (1, 2, 3)
    ]
    outcomes = {one.id: one for one in pool.processes(1)(dying, tasks)}
    assert outcomes["p1"].error == "its process died (signal 9)"
    assert outcomes["p2"].error is None and outcomes["p3"].error is None
    processes = {(tmp_path / name / "process").read_text() for name in ("p2", "p3")}
    assert len(processes) == 1 and processes.pop().endswith(" 1")  # one for both


def test_a_folder_is_one_experiments_and_one_commands(tmp_path: Path) -> None:
    path = small(tmp_path)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("")
    with pytest.raises(MidstepError, match="something else is in there"):
        play(path, tmp_path / "full", setup())

    def nested(road: pool.Road, tasks: Sequence[pool.Task]) -> Iterator[pool.Outcome]:
        play(path, tmp_path / "out", setup())
        yield from ()

    with pytest.raises(MidstepError, match="another `midstep experiment` is at it"):
        play(path, tmp_path / "out", setup(nested))


def test_nothing_is_played_where_a_point_would_be_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = small(tmp_path, vary={"policy.name": ["none", "bayes"]})
    assert main(["experiment", str(path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "bayes: policy.name: bayes needs the true request rates" in line
    assert not (tmp_path / "runs").exists()
    assert main(["experiment", "nowhere"]) == 2
    assert (
        "the shipped ones are cooperation, fixed-steps, own-endings, shared-band"
        in capsys.readouterr().err
    )
    assert main(["experiment", str(small(tmp_path, road="live")), "--jobs", "2"]) == 2
    assert "live runs would disturb one another" in capsys.readouterr().err


def test_the_time_left_is_what_points_of_the_same_settings_took(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = small(tmp_path, vary={"policy.name": ["none", "lru"], "seed": [1, 2, 3]})
    points = expand(plans.read(path), path)
    assert roads.setup(plans.read(path), None, "10.0.0.1:6379", "").jobs is None
    with Progress(points, len(points), None) as progress:  # over a cluster
        progress.ended(pool.Outcome(id=points[0].id, wall_s=10.0))
        assert progress.left_s() is None
    assert capsys.readouterr().err.splitlines() == ["1 of 6  none, seed 1: 10.0 s"]
    with Progress(points, len(points), 2) as progress:
        for point, wall_s in zip(points, (10.0, 30.0, 20.0), strict=False):
            progress.ended(pool.Outcome(id=point.id, wall_s=wall_s))
        # lru twice, none once, two at a time
        assert progress.left_s() == (30.0 + 15.0 + 30.0) / 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "1 of 6  none, seed 1: 10.0 s; 25 s left"


def test_the_simulator_is_a_road(tmp_path: Path) -> None:
    path = small(
        tmp_path,
        road="simulate",
        set={"model.profile": "cpu"},
        vary={"policy.name": ["fifo", "lru"]},
        baseline={"policy.name": "fifo"},
    )
    how = setup(road=roads.simulate)
    assert play(path, tmp_path / "out", how) == 0
    assert "hit_ratio" in (tmp_path / "out" / "table.csv").read_text()
    page = (tmp_path / "out" / "experiment.html").read_text()
    assert "by discrete events" in page and "slotted" not in page
    scenario = next((tmp_path / "out" / "points").glob("fifo-*")) / "scenario.yaml"
    command = f"simulate {scenario} --policies fifo --seeds 1"
    assert f"midstep {command}" in page
    assert main([*command.split(), "--out", str(tmp_path / "alone")]) == 0


def test_a_page_names_the_arrivals_of_the_trace(tmp_path: Path) -> None:
    trace = tmp_path / "t.csv"
    trace.write_text("time,user,prompt\n0.5,0,a cat\n1.0,1,a cat\n2.0,0,a dog\n")
    path = small(
        tmp_path, set={"workload.trace": str(trace)}, vary={"policy.name": ["none", "lru"]}
    )
    assert play(path, tmp_path / "out", setup()) == 0
    page = (tmp_path / "out" / "experiment.html").read_text()
    assert "Arrivals: open, recorded; every policy meets the same requests." in page
    assert "Arrivals: closed" not in page  # as the scenario would have it without the trace
    assert "responses over those that both runs finished (at least 3 of 3)" in page
    assert '<td class="number">3 of 3</td>' in page


def failing(scenario: Scenario, folder: Path) -> None:
    """A road on which nothing arrives."""
    raise ValueError("no rails")


def test_no_older_table_stays_where_every_point_fails(tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert play(small(tmp_path), out, setup()) == 0
    assert {path.suffix for path in out.iterdir()} >= {".csv", ".parquet", ".html"}
    assert play(small(tmp_path, duration_s="6s"), out, setup(road=failing)) == 3
    assert not {path.suffix for path in out.iterdir()} & {".csv", ".parquet"}
    assert not list((out / "plots").iterdir())
    page = (out / "experiment.html").read_text()
    assert "0 of 4 points" in page and page.count("ValueError: no rails") == 4


SCRIPT = """
import midstep

experiment = midstep.experiment("e.yaml", out="out", jobs=1)
print(len(experiment.points), len(experiment.failures))
"""


def test_a_script_needs_no_main_guard(tmp_path: Path) -> None:
    small(tmp_path, road="simulate", vary={"policy.name": ["fifo"]}, baseline={})
    (tmp_path / "script.py").write_text(SCRIPT)
    ended = subprocess.run(
        [sys.executable, "script.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        capture_output=True,
        text=True,
    )
    assert ended.stdout.splitlines()[-1:] == ["1 0"], ended.stderr
