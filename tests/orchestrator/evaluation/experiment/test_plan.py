"""The experiment's file: its points, and one line for whatever is wrong in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from midstep.errors import MidstepError
from midstep.workload.trace_file import RECORDED
from orchestrator.evaluation.experiment import plan as plans
from orchestrator.evaluation.experiment.points import Point, expand, title
from tests import paced


def file(folder: Path, **changes: Any) -> Path:
    """An experiment's file with the tests' scenario beside it."""
    (folder / "paced.yaml").write_text(yaml.safe_dump(paced.TREE))
    tree = {"name": "e", "scenario": "paced.yaml", "vary": {"policy.name": ["none", "lru"]}}
    path = folder / "e.yaml"
    path.write_text(yaml.safe_dump({**tree, **changes}))
    return path


def points(path: Path) -> list[Point]:
    return expand(plans.read(path), path)


def test_a_grid_is_every_value_with_every_other_seed_by_seed(tmp_path: Path) -> None:
    path = file(
        tmp_path,
        vary={"policy": ["none", "lru"], "users": [4, 8], "seed": [1, 2]},
        set={"capacity": "32KiB"},
        duration_s="5s",
    )
    listed = points(path)
    assert [(p.settings["policy.name"], p.settings["users"], p.seed) for p in listed] == [
        (policy, users, seed) for seed in (1, 2) for policy in ("none", "lru") for users in (4, 8)
    ]
    scenario = listed[-1].scenario
    assert (scenario.policy.name, scenario.users, scenario.seed) == ("lru", 8, 2)
    assert scenario.edge.capacity == 32 * 1024 and scenario.duration_s == 5
    assert scenario.modes.clock == "virtual"
    assert len({p.id for p in listed}) == 8
    assert listed[0].cell == listed[4].cell != listed[1].cell
    assert title(listed[0].settings) == "none, users 4"


def test_virtual_time_computes_no_pictures_unless_they_are_wanted(tmp_path: Path) -> None:
    path = file(tmp_path, scenario="laptop")
    assert {point.scenario.modes.denoiser for point in points(path)} == {"paced"}
    path = file(tmp_path, scenario="laptop", set={"modes.denoiser": "real"})
    assert {point.scenario.modes.denoiser for point in points(path)} == {"real"}


def test_a_list_of_grids_is_put_together(tmp_path: Path) -> None:
    path = file(
        tmp_path,
        vary=[
            {"policy": ["none", "lru"], "seed": [1, 2]},
            {"policy": "s3-fifo", "seed": 1, "edges.0.staging": "128KiB"},
        ],
    )
    assert len(points(path)) == 5


def test_a_points_name_changes_with_what_its_run_depends_on(tmp_path: Path) -> None:
    before = {p.id for p in points(file(tmp_path))}
    assert {p.id for p in points(file(tmp_path))} == before
    longer = {p.id for p in points(file(tmp_path, duration_s="6s"))}
    assert not before & longer
    more = {p.id for p in points(file(tmp_path, vary={"policy.name": ["none", "lru", "lfu"]}))}
    assert before < more


def test_a_points_name_changes_with_the_bytes_of_files_and_with_the_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "p.txt").write_text("a cat")
    (tmp_path / "t.csv").write_text("prompt\na cat\n")
    (tmp_path / "run").mkdir()
    rows = [{**dict.fromkeys(RECORDED), "think_s": 1.0, "variation_seed": None}]
    rows[0] |= {"request_id": "00000-00000", "user": 0, "prompt": "a cat", "edge_prompt": "a cat"}
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "run" / "requests.parquet")
    profile = tmp_path / "profile.json"
    paced.PROFILE.save(profile)
    for setting, changed in (
        ({"workload.prompts": str(tmp_path / "p.txt")}, tmp_path / "p.txt"),
        ({"workload.trace": str(tmp_path / "t.csv")}, tmp_path / "t.csv"),
        ({"workload.trace": str(tmp_path / "run")}, tmp_path / "run" / "requests.parquet"),
        ({"model.profile": str(profile)}, profile),
    ):
        path = file(tmp_path, set=setting)
        before = {p.id for p in points(path)}
        changed.touch()
        assert {p.id for p in points(path)} == before
        if changed.suffix == ".parquet":
            pq.write_table(pa.Table.from_pylist([{**rows[0], "prompt": "a dog"}]), changed)
        else:
            changed.write_text(changed.read_text().replace("cat", "dog").replace("0.01", "0.02"))
        after = {p.id for p in points(path)}
        assert len(after) == 2 and not before & after, setting
    monkeypatch.setattr("orchestrator.evaluation.experiment.points.__version__", "0.0.1")
    assert not after & {p.id for p in points(path)}


def test_a_trace_says_how_requests_arrive(tmp_path: Path) -> None:
    trace = tmp_path / "t.csv"
    trace.write_text("time,user,prompt\n0.5,0,a cat\n1.0,1,a dog\n")
    (point, _) = points(file(tmp_path, set={"workload.trace": str(trace)}))
    arrivals = point.scenario.workload.arrivals
    assert arrivals.law == "recorded" and not arrivals.waits  # the scenario's own are closed


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"vari": {}}, "vari: unknown key; did you mean vary?"),
        ({"vary": 3}, "vary: give a grid {key: [values]}, or a list of such grids"),
        ({"vary": {"policy.name": "lru"}}, "vary.'policy.name': give a list of values"),
        ({"vary": {"policy.name": []}}, "vary.policy.name: the list is empty"),
        ({"vary": {"seed": [1, 1]}}, "vary.seed: 1 stands twice"),
        (
            {"vary": {"policy": ["none"], "policy.name": ["lru"]}},
            "vary: policy and policy.name are the same key; give one of them",
        ),
        (
            {"baseline": {"policy": "none", "policy.name": "lru"}},
            "baseline: policy and policy.name are the same key",
        ),
        ({"set": {"workload.trace": "nowhere.csv"}}, "workload.trace: nowhere.csv cannot be read"),
        ({"set": {"duration_s": 5}}, "set.duration_s: write duration_s: beside set"),
        (
            {"set": {"policy": "drc"}},
            "vary.policy.name: policy is set as well; vary it or set it, not both",
        ),
        ({"vary": {"repeat": [1, 2]}}, "write repeat: N beside vary"),
        ({"vary": {"modell.steps": [3]}}, "modell: unknown key; did you mean model?"),
        ({"vary": {"seed.x": [3]}, "set": {"seed": 1}}, "vary: seed.x=3: seed is a value"),
        ({"vary": {"users": ["many"]}}, "users: 'many' is no number of devices"),
        ({"vary": {"users": [0]}}, "users 0: give 1 to 1000000"),
        ({"baseline": {"policy.name": "lur"}}, "baseline.policy.name: 'lur' is none of none, lru"),
        ({"baseline": {"users": 3}}, "baseline.users: it does not vary; there is policy.name"),
        ({"repeat": 3}, "repeat: virtual gives the same run again"),
        ({"road": "rail"}, "road: Input should be 'virtual', 'simulate' or 'live'"),
        ({"duration_s": "soon"}, "'soon' is not a duration such as 60s"),
        ({"scenario": "nowhere"}, "no scenario 'nowhere'"),
        ({"name": "a/b"}, "name: String should match pattern"),
    ],
)
def test_what_is_wrong_is_one_line(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(MidstepError) as error:
        points(file(tmp_path, **changes))
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_the_command_line_adds_settings_and_names_another_baseline(tmp_path: Path) -> None:
    path = file(tmp_path, set={"users": 4, "seed": 3})
    settings = ["users=6", "capacity=32KiB", "duration_s=3s"]
    plan = plans.with_settings(plans.read(path), settings, ["policy.name=lru"])
    assert plan.duration_s == 3  # as pages and progress say it
    assert plan.baseline == {"policy.name": "lru"}
    (first, _) = expand(plan, path)
    assert (first.scenario.users, first.scenario.edge.capacity, first.seed) == (6, 32 * 1024, 3)
    assert plans.with_settings(plan, [], []) == plan
    with pytest.raises(MidstepError, match=r"--baseline lru: write --baseline path\.to\.key=value"):
        plans.with_settings(plan, [], ["lru"])


def test_the_shipped_experiments_are_right() -> None:
    for name in plans.shipped():
        path = plans.find(name)
        assert path.read_text().startswith("# ")
        assert plans.read(path).name == name
        assert points(path)
