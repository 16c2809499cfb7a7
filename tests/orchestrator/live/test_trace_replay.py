"""Runs whose requests are met again, in virtual time: `midstep run --replay`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from midstep.scenario_file import parse
from orchestrator.cli import main
from orchestrator.live.launch import Options
from orchestrator.live.run import run
from orchestrator.records.run_reader import read_run
from tests import paced

POISSON = {"poisson": {"per_user_per_minute": 30}}
SEEDS = {"catalogue_size": 12, "private_share": 0.2, "variation_share": 0.2}
TIMELINE = [{"at_s": 3, "users": 7}, {"at_s": 8, "users": 3}]
ASKED = ("request_id", "user", "prompt", "edge_prompt", "variation_seed", "private_seed")

RECORDED: dict[str, dict[str, Any]] = {
    "closed": {"workload": SEEDS},
    "open": {"workload": {**SEEDS, "arrivals": POISSON}},
    "scaled": {"workload": {**SEEDS, "arrivals": POISSON}, "timeline": TIMELINE},
    "final": {"workload": SEEDS, "policy": {"name": "final"}},
    "whole": {"workload": {**SEEDS, "core": "whole"}},
    "drc": {
        "workload": {"catalogue_size": 12},
        "policy": {"name": "drc", "latency_target_s": 3.0},
    },
}


def record(folder: Path, **changes: Any) -> Path:
    tree = paced.tree(duration_s=12, grace_s=2, **changes)
    assert run(parse(tree), Options(out=str(folder))) == 0
    return folder


def replay(source: Path, folder: Path, *options: str) -> Path:
    assert main(["run", "--replay", str(source), "--out", str(folder), *options]) == 0
    return folder


@pytest.mark.parametrize("name", RECORDED)
def test_a_replay_under_its_own_policy_is_byte_identical(name: str, tmp_path: Path) -> None:
    """All of it is in one process, so that process ids are the same, too."""
    first = record(tmp_path / "a", **RECORDED[name])
    second = replay(first, tmp_path / "b")
    files = [(folder / "requests.parquet").read_bytes() for folder in (first, second)]
    assert files[0] == files[1]
    slots = [read_run(folder)[1] for folder in (first, second)]
    assert slots[0] == slots[1]
    if name == "closed":
        third = replay(second, tmp_path / "c")
        assert (third / "requests.parquet").read_bytes() == files[0], "a replay can be met again"


def asked(folder: Path, *columns: str) -> list[tuple[Any, ...]]:
    return sorted(tuple(row[name] for name in (*ASKED, *columns)) for row in read_run(folder)[0])


def test_two_policies_on_one_recorded_run_meet_the_same_requests(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = record(tmp_path / "a", **RECORDED["open"], policy={"name": "final"})
    lru = replay(source, tmp_path / "lru", "--policy", "lru")
    drc = replay(source, tmp_path / "drc", "--policy", "drc", "--set", "edges.0.capacity=128KiB")
    assert asked(lru, "due_s") == asked(drc, "due_s")
    assert len(asked(lru)) > 15
    cores = {row["request_id"]: row["core_prompt"] for row in read_run(source)[0]}
    for row in read_run(lru)[0]:
        assert row["edge_prompt"] == cores[row["request_id"]], "final had asked for whole prompts"
    summary = json.loads((drc / "summary.json").read_text())
    assert summary["run"]["arrivals"] == {"recorded": {"kind": "instants"}}
    assert "open replay at the recorded instants" in (drc / "report.html").read_text()
    assert "open replay at the recorded instants" in capsys.readouterr().err


def test_a_closed_replay_thinks_as_long_and_asks_for_the_same_in_the_same_order(
    tmp_path: Path,
) -> None:
    source = record(tmp_path / "a", **RECORDED["closed"])
    slower = replay(source, tmp_path / "b", "--policy", "none", "--set", "channel.frame_bytes=3MB")
    thought = {row["request_id"]: (row["prompt"], row["think_s"]) for row in read_run(source)[0]}
    rows = read_run(slower)[0]
    assert 4 < len(rows) < len(thought), "who waits longer asks less"
    assert all(thought[row["request_id"]] == (row["prompt"], row["think_s"]) for row in rows)
    assert "closed replay by the recorded think times" in (slower / "report.html").read_text()


def test_a_run_that_broke_off_is_met_again_from_its_journal(tmp_path: Path) -> None:
    source = record(tmp_path / "a", **RECORDED["open"])
    rows = [json.dumps(row) for row in read_run(source)[0]]
    rows = rows[::2] + rows[1::2]
    assert len(rows) > 15
    (source / "requests.parquet").unlink()
    (source / "requests.jsonl").write_text("\n".join([*rows[:15], rows[15][:50]]))
    ids = {json.loads(row)["request_id"] for row in rows[:15]}
    again = {row["request_id"] for row in read_run(replay(source, tmp_path / "b"))[0]}
    assert again == ids, "who has lost a request in between has the numbers of the others"


def test_another_seed_is_said_and_fewer_devices_are_refused_for_what_they_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = record(tmp_path / "a", **RECORDED["open"])
    capsys.readouterr()
    again = replay(source, tmp_path / "b", "--seed", "9")
    assert "the seed is 9, recorded with 7: other gains" in capsys.readouterr().err
    assert asked(again, "due_s") == asked(source, "due_s")
    fewer = ["run", "--replay", str(source), "--set", "devices.0.count=2", "--out", "c"]
    assert main(fewer) == 2
    error = capsys.readouterr().err
    assert "the scenario 2 devices; a run is met again by as many" in error
    assert "midstep scale" not in error


CSV = """time,user,prompt,core
1.5,ann,a red lion,a lion
0.25,bo,a cow,
1.5,ann,a lion,
99,bo,a pig,
"""


NEGATIVES = """time,prompt,negative
0.1,a fox,
5,a fox,fur
10,a fox,
15,a fox,fur
"""


def test_negative_prompts_are_met_again_and_never_served_to_others(tmp_path: Path) -> None:
    (tmp_path / "asked.csv").write_text(NEGATIVES)
    tree = paced.tree(
        duration_s=20, workload={"trace": str(tmp_path / "asked.csv")}, policy={"name": "lru"}
    )
    assert run(parse(tree), Options(out=str(tmp_path / "a"))) == 0
    for folder in (tmp_path / "a", replay(tmp_path / "a", tmp_path / "b")):
        rows = sorted(read_run(folder)[0], key=lambda row: row["due_s"])
        assert [row["negative"] for row in rows] == [None, "fur", None, "fur"]
        assert [row["reuse"] for row in rows] == ["computed", "computed", "exact", "exact"]
        first, second, third, fourth = [row["prompt_key"] for row in rows]
        assert first == third != second == fourth


def scenario_file(folder: Path, **changes: Any) -> str:
    path = folder / "lab" / "lab.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(yaml.safe_dump(paced.tree(duration_s=20, **changes)))
    return str(path)


def test_a_table_is_replayed_at_its_instants_by_its_users(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "asked: of #1.csv"
    table.write_text(CSV)
    assert main(["run", scenario_file(tmp_path), "--replay", str(table)]) == 0
    (folder,) = (tmp_path / "runs").iterdir()
    rows = sorted(read_run(folder)[0], key=lambda row: (row["due_s"], row["request_id"]))
    columns = [(row["due_s"], row["user"], row["prompt"], row["edge_prompt"]) for row in rows]
    assert columns == [
        (0.25, 1, "a cow", "a cow"),
        (1.5, 0, "a red lion", "a lion"),
        (1.5, 0, "a lion", "a lion"),
    ]
    assert {row["reuse"] for row in rows if row["user"] == 0} == {"computed", "shared"}
    assert "4 requests, each user's, open replay" in (said := capsys.readouterr().err)
    assert "1 are due after the run's end" in said


def test_a_list_with_cores_lies_beside_the_scenario_and_says_when_it_ends(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scenario = scenario_file(tmp_path, workload={"prompts": "mine.tsv"})
    (tmp_path / "lab" / "mine.tsv").write_text("core\tprompt\na lion\ta red lion\na lion\ta lion\n")
    assert main(["run", scenario]) == 0
    (folder,) = (tmp_path / "runs").iterdir()
    assert {row["edge_prompt"] for row in read_run(folder)[0]} == {"a lion"}
    said = capsys.readouterr().err
    assert "by the scenario's arrivals (closed)" in said
    assert "nobody has a request left: the run ends 1" in said
    again = yaml.safe_load((folder / "scenario.yaml").read_text())["workload"]["prompts"]
    assert again == str(tmp_path / "lab" / "mine.tsv")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--replay", "nothing"], "nothing cannot be read"),
        (["--replay", "9" * 300], "cannot be read: File name too long"),
        (["--replay", "~nobody-of-this-name/x"], "cannot be read: No such file"),
        (["--replay", "."], "no run is in there"),
        (["--replay", "asked.csv", "--users", "3"], "--users: a replay has the users"),
        (
            ["--replay", "asked.csv", "--set", "workload.arrivals={closed: {}}"],
            "--set workload.arrivals: a replay has the requests that were recorded",
        ),
        (["--replay", "ok.json"], "a table that ends in .csv, .tsv, .parquet"),
        (["--replay", "asked.csv", "--policy", "drc"], "needs a closed catalogue"),
        (["--replay", "asked.csv", "--policy", "clairvoyant"], "clairvoyant"),
        (["--replay", "list.csv"], "it has no column time"),
        (["--set", "workload.trace=asked.csv", "--users", "1"], "has 2 users, the scenario 1"),
        (["--set", "workload.arrivals={recorded: {}}"], "no trace with instants is there"),
    ],
)
def test_what_cannot_be_replayed_is_one_line(
    options: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "asked.csv").write_text(CSV)
    (tmp_path / "list.csv").write_text("prompt\na cow\n")
    (tmp_path / "ok.json").write_text(CSV)
    scenario = [] if options[1] == "." else [scenario_file(tmp_path)]
    assert main(["run", *scenario, *options]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert not (tmp_path / "runs").exists()


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_recorded_run_is_met_again_with_whole_prompts(tmp_path: Path) -> None:
    """And with its cores, where it had asked for whole ones."""
    cores = record(tmp_path / "a", **RECORDED["open"])
    whole = replay(cores, tmp_path / "b", "--set", "workload.core=whole")
    again = replay(whole, tmp_path / "c", "--set", "workload.core=auto")
    assert asked(again) == asked(cores)
    limited = {row["request_id"]: row["edge_prompt"] for row in read_run(cores)[0]}
    for row in read_run(whole)[0]:
        assert (row["edge_prompt"], row["core_prompt"]) == (
            row["prompt"],
            limited[row["request_id"]],
        )
        if row["variation_seed"] is None and row["result"] == "done":
            assert (row["reuse_class"], row["reuse_limit"]) == ("core", 20)
