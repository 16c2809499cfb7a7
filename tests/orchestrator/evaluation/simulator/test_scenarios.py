"""`midstep simulate SCENARIO`: what it compares, and what it leaves."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from midstep.reuse.limits import SIZE
from midstep.scenario import Modes
from midstep.scenario_file import load
from orchestrator.cli import main
from orchestrator.evaluation.simulator.events import simulate
from orchestrator.evaluation.simulator.scenarios import compared
from orchestrator.records.folders import read_scenario
from orchestrator.records.run_reader import read_run
from tests.midstep.reuse.measured import table

SHORT = ["simulate", "laptop", "--duration", "8s", "--seeds", "2", "--policies", "none,lru"]


def test_every_seeds_figures_and_rows_are_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main([*SHORT, "--rows", "--users", "6", "--out", str(out)]) == 0
    assert "6 users, 8 s, closed arrivals, 2 seeds from 7 on" in capsys.readouterr().out
    with (out / "seeds.csv").open() as file:
        figures = {(r["policy"], r["metric"], r["seed"]): r["value"] for r in csv.DictReader(file)}
    means = []
    for seed in (7, 8):  # the scenario's own, and the next
        scenario = load("laptop", ["duration_s=8s", f"seed={seed}", "policy.name=lru"])
        with_times = load("laptop", ["model.profile=cpu"])
        rows = simulate(
            scenario.with_users(6).model_copy(update={"model": with_times.model})
        ).requests
        folder = out / f"lru-{seed}"
        assert {row["request_id"] for row in read_run(folder)[0]} == {
            row["request_id"] for row in rows
        }
        assert read_scenario(folder).seed == seed
        totals = [row["total_s"] for row in rows if row["result"] == "done"]
        means.append(1e3 * sum(totals) / len(totals))
        value = float(figures["lru", "response_per_request_ms", str(seed)])
        assert value == pytest.approx(means[-1])
    tree = json.loads((out / "summary.json").read_text())
    assert tree["policies"]["lru"]["response_per_request_ms"]["mean"] == pytest.approx(
        sum(means) / 2
    )
    assert (tree["run"]["road"], tree["run"]["seeds"]) == ("simulated", [7, 8])
    run = json.loads((out / "lru-7" / "summary.json").read_text())["run"]
    assert run["road"] == "simulated"
    again = ["run", "--replay", str(out / "lru-7"), "--out", str(tmp_path / "again")]
    assert main(again) == 0, "in virtual time, paced: the wall clock would take 8 s and a model"
    assert read_scenario(tmp_path / "again").modes == Modes(
        clock="virtual", denoiser="paced", wire="inprocess"
    )


def test_the_warm_up_is_recorded_and_not_measured(tmp_path: Path) -> None:
    out = tmp_path / "out"
    warm = ["--set", "warmup_s=5s", "--set", "workload.arrivals={poisson: {}}", "--seeds", "1"]
    assert main([*SHORT[:4], "--policies", "none", *warm, "--rows", "--out", str(out)]) == 0
    rows = read_run(out / "none-7")[0]
    late = sum(row["due_s"] >= 5 for row in rows)
    tree = json.loads((out / "summary.json").read_text())
    assert 0 < late < len(rows)
    assert tree["policies"]["none"]["requests"]["mean"] == late


def test_a_limit_that_no_step_reaches_is_said_before_anything_is_played(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "reuse.json"
    table({(SIZE, 1): 300}).save(path)
    options = ["--policies", "none", "--seeds", "1", "--out", str(tmp_path / "out")]
    settings = ["--duration", "1s", "--users", "4", "--set", f"reuse.table={path}"]
    assert main(["simulate", "saturated", *settings, *options]) == 0
    first = capsys.readouterr().err.splitlines()[0]
    assert first == (
        "midstep: no step has fidelity 1 or more with a share of 0.99 for size: such requests "
        "reuse step 1 at most"
    )


def test_the_scenarios_own_policy_is_compared_by_default() -> None:
    """Policy.name was ignored."""
    scenario = load("saturated", ["policy.name=random", "policy.params={}"])
    variants = compared(scenario, [])
    assert [variant.policy.name for variant in variants][:3] == ["random", "lru", "s3-fifo"]
    assert {variant.policy.admission for variant in variants} == {"access"}
    final = load("saturated", ["policy.name=final"])
    assert compared(final, [])[0].policy.name == "final"


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["laptop", "--slots", "100"], "--slots 100: a scenario has a duration: --duration 120s"),
        (["compact", "--duration", "9s"], "--duration: is of scenarios"),
        (["compact", "--rows"], "--rows: is of scenarios"),
        (["laptop", "--policies", "lru,lur"], "--policies: no policy 'lur'; did you mean lru?"),
        (
            ["laptop", "--policies", "bayes"],
            "--policies: bayes needs the true request rates, which only the presets full and",
        ),
        (["laptop", "--policies", "ncldc"], "presets literal and compact of `midstep simulate`"),
        (["laptop", "--users", "0"], "--users 0: give 1 to"),
        (["compact", "--users", "9"], "--users 9: is of scenarios; --set users=N"),
        (["laptop", "--seeds", "0"], "--seeds 0: at least 1"),
        (["laptop", "--set", "cut.rule=deepest"], "cut.rule: there is no rule deepest; give fixed"),
    ],
)
def test_bad_input_is_one_line(
    options: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["simulate", *options]) == 2
    error = capsys.readouterr().err
    assert line in error and error.count("\n") == 1
