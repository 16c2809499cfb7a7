"""midstep from Python: one way with the command's options, any thread's event loop, frames."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import midstep
from midstep.errors import OptionError, RecordError, ScenarioError
from midstep.scenario import Scenario
from orchestrator import api
from orchestrator.cli import parser
from orchestrator.commands.options import load_scenario
from orchestrator.live.run import Ending, carry_out
from orchestrator.policies import base
from orchestrator.records.recorder import Recorder
from tests import paced

POLICY = '''
from orchestrator.policies import policy
from orchestrator.policies.lru import Lru


@policy("mine")
class Mine(Lru):
    """LRU by another name."""
'''


def of_command(*arguments: str) -> Scenario:
    return load_scenario(parser().parse_args(["run", *arguments]))


@pytest.mark.parametrize(
    ("arguments", "name", "changes"),
    [
        ([], None, {}),
        (["--clock", "virtual"], None, {"clock": "virtual"}),
        (["--model", "midstep-emoji"], None, {"model": Path("midstep-emoji")}),
        (
            ["saturated", "--policy", "lru", "--seed", "3"],
            "saturated",
            {"policy": "lru", "seed": 3},
        ),
        (["--users", "40", "--duration", "20s"], None, {"users": 40, "duration": "20s"}),
        (["--perfetto"], None, {"perfetto": True}),
        (
            ["--denoiser", "paced", "--set", "model.profile=cpu", "--set", "edges.0.capacity=64KB"],
            None,
            {"denoiser": "paced", "model.profile": "cpu", "edges.0.capacity": "64KB"},
        ),
        (["--set", "report={references: 0}"], None, {"report": {"references": 0}}),
    ],
)
def test_a_change_from_python_means_what_the_commands_option_means(
    arguments: list[str], name: str | None, changes: dict[str, Any]
) -> None:
    assert midstep.load(name, **changes) == of_command(*arguments)


def test_a_scenario_is_loaded_from_a_tree_a_file_or_another_scenario(tmp_path: Path) -> None:
    first = midstep.load(paced.tree(), seed=3)
    assert first.seed == 3 and first.duration_s == 30
    (tmp_path / "one.yaml").write_text(first.dump())
    assert midstep.load(tmp_path / "one.yaml") == first
    second = midstep.load(first, duration="5s", policy={"name": "lfu-decay"})
    assert (second.seed, second.duration_s, second.policy.name) == (3, 5, "lfu-decay")
    assert first.policy.name == "lru"


def test_the_text_of_a_policys_file_stays_with_its_scenario(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "_REGISTRY", dict(base._REGISTRY))  # registered for this test only
    file = tmp_path / "mine.py"
    file.write_text(POLICY)
    first = midstep.load(paced.tree(), policy=file)
    file.unlink()
    assert first.policy.name == "mine" and first.policy.source is not None
    assert midstep.load(first, seed=4).policy == first.policy
    assert midstep.load(first, policy="lru").policy.source is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"polcy": "lru"}, "laptop: polcy: unknown key; did you mean policy?"),
        ({"duration": "soon"}, "'soon' is not a duration"),
        ({"edges.7.capacity": 1}, "'7' is no index into a list of 1"),
        ({"users": 0}, "--users 0: give 1 to"),
    ],
)
def test_what_is_wrong_raises_with_the_commands_line(changes: dict[str, Any], message: str) -> None:
    with pytest.raises((ScenarioError, OptionError), match=message.replace("?", r"\?")) as raised:
        midstep.load("laptop", **changes)
    assert "\n" not in str(raised.value)
    with pytest.raises(ScenarioError, match="a tree of keys or a Scenario, not 3"):
        midstep.load(3)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> midstep.Run:
    """A run that was started where an event loop runs already, as in a notebook."""
    folder = tmp_path_factory.mktemp("api") / "run"

    async def cell() -> midstep.Run:
        return midstep.run(paced.tree(duration_s=10), policy="lru", perfetto=True, out=folder)

    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        run = asyncio.run(cell())
    assert printed.getvalue() == ""
    return run


def test_a_run_beside_a_running_event_loop_gives_frames(recorded: midstep.Run) -> None:
    assert (recorded.verdict, recorded.status) == ("VALID", 0)
    requests = recorded.requests
    assert len(requests) == recorded.metrics["requests"] > 0
    assert requests.total_s.notna().all() and requests.psnr_db.isna().all()
    assert recorded.frame("requests", "polars")["request_id"].to_list() == list(requests.request_id)
    assert recorded.frame("slots", "arrow").num_rows == len(recorded.slots) >= 10
    assert recorded.frame("ticks").batch.min() >= 1
    assert set(recorded.pictures) == set(requests.request_id)
    assert recorded.pictures[requests.request_id[0]].size
    hits = recorded.summary["policies"]["lru"]["hit_ratio"]["mean"]
    assert recorded.metrics["hit_ratio"] == hits > 0
    assert "VALID" in repr(recorded) and "hit_ratio" in recorded._repr_html_()
    assert midstep.open_run(recorded.folder).requests.equals(requests)


def test_a_run_is_met_again(recorded: midstep.Run, tmp_path: Path) -> None:
    again = midstep.run(replay=recorded.folder, seed=8, out=tmp_path / "again")
    assert set(again.requests.request_id) <= set(recorded.requests.request_id)
    assert again.scenario.workload.trace == str(recorded.folder)
    with pytest.raises(OptionError, match="--users: a replay has the users"):
        midstep.run(replay=recorded.folder, users=3)
    with pytest.raises(OptionError, match=r"--set workload\.arrivals: a replay"):
        midstep.run(replay=recorded.folder, workload={"arrivals": {"closed": {}}})


def test_an_error_of_a_run_is_raised_and_leaves_nothing(tmp_path: Path) -> None:
    edges = [{"capacity": "5KB"}]
    with pytest.raises(ScenarioError, match="cannot hold one output"):
        midstep.run(paced.tree(), edges=edges, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
    with pytest.raises(RecordError, match="no run is in there"):
        midstep.open_run(tmp_path)


def test_an_interrupt_closes_the_record_and_is_then_raised(tmp_path: Path) -> None:
    folder = tmp_path / "run"

    def interrupt() -> None:
        journal = folder / "slots.jsonl"
        while not (journal.is_file() and journal.stat().st_size):
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt, match="what was measured is in"):
        midstep.run(paced.tree(duration_s=10**7), out=folder)
    run = midstep.open_run(folder)
    assert run.status == 130 and len(run.requests) > 0
    assert run.events[-1]["text"].startswith("interrupted")
    assert set(run.requests.result) <= {"done", "failed", "unfinished"}
    assert not [thread for thread in threading.enumerate() if thread.name == "midstep-run"]


def test_an_interrupt_before_the_run_begins_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*arguments: Any) -> Ending:
        arguments[-1].interrupt()
        return carry_out(*arguments)

    monkeypatch.setattr(api, "carry_out", interrupted)
    with pytest.raises(KeyboardInterrupt, match="the run had not begun"):
        midstep.run(paced.tree(), out=tmp_path / "run", quiet=False)
    assert "stopped before the run began" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_run_that_broke_off_is_read_from_its_journals(
    tmp_path: Path, recorded: midstep.Run
) -> None:
    recorder = Recorder(tmp_path, midstep.load(recorded.scenario, perfetto=False))
    recorder.began({"edge-0": recorded.summary["run"]["step_s"]}, {}, None)
    for table in ("slots", "requests"):
        for row in recorded.frame(table, "arrow").to_pylist():
            recorder._write(table, row)
    broken = midstep.open_run(tmp_path)
    assert broken.requests.equals(recorded.requests) and broken.slots.equals(recorded.slots)
    assert broken.status is None and broken.metrics == recorded.metrics
    assert "broke off" in broken.events[-1]["text"]
    with pytest.raises(RecordError, match="only a run with --perfetto has it"):
        broken.frame("ticks")
    with pytest.raises(OptionError, match="no table 'pictures'; a run has requests"):
        broken.frame("pictures")
    recorder.close()


def test_a_library_that_is_missing_is_one_line(
    recorded: midstep.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match=r"pip install 'midstep\[pandas\]'") as raised:
        recorded.frame("requests")
    assert "\n" not in str(raised.value)


def test_import_midstep_alone_is_light() -> None:
    code = (
        "import json, sys, midstep; midstep.errors.MidstepError;"
        "names = {n.partition('.')[0] for n in sys.modules};"
        "print(json.dumps([sorted(names), sorted(dir(midstep)), hasattr(midstep, 'nothing')]))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded, public, nothing = json.loads(out.stdout)
    assert not {"orchestrator", "pydantic", "numpy", "torch", "ray", "grpc"} & set(loaded)
    assert {"load", "run", "open_run"} <= set(public) and not nothing


def test_an_experiment_is_a_table_and_the_runs_that_it_was_made_of(tmp_path: Path) -> None:
    file = tmp_path / "small.yaml"
    file.write_text(
        "name: small\nscenario: saturated\nroad: simulate\nduration_s: 20s\n"
        "vary: {policy.name: [none, lru], seed: [1, 2]}\nbaseline: {policy.name: none}\n"
    )
    experiment = midstep.experiment(file, out=tmp_path / "out", jobs=1, settings=["users=20"])
    table = experiment.table
    assert {"none", "lru"} <= set(table["policy.name"])
    assert len(experiment.runs) == len(experiment.points) == 4
    assert "out: 4 points" in repr(experiment)
    assert not experiment.failures and experiment.page.is_file()
    broken = experiment.folder / "points" / "a.broken-1"
    broken.mkdir()
    (broken / "traceback.txt").write_text("it was played again\n")
    assert not experiment.failures
    run = next(iter(experiment.points.values()))
    assert run.scenario.users == 20 and len(run.requests) > 10
