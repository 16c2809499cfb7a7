"""The steps of requests: they add up, each cut is within its limit, and a report shows them."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

from midstep.reuse.table import Cell, ReuseTable
from midstep.scenario import Scenario
from midstep.scenario_file import load, parse
from midstep.workload.trace_file import read_trace
from orchestrator.cli import main
from orchestrator.live.announcer import headline
from orchestrator.records import report, summary
from orchestrator.records.description import describe
from orchestrator.records.recorder import Recorder
from orchestrator.records.request_plots import by_cut
from orchestrator.records.reuse_limits import reuse_limits
from orchestrator.records.rows import EndedRequest
from orchestrator.records.steps import cut_step, fault, faults
from tests import paced
from tests.orchestrator.records.record_rows import row, slot

NEW = ["reuse_limit", "cut_step", "reused_step", "ssim", "fidelity"]
RESUMED = {
    "reuse": "resumed",
    "reuse_limit": 12,
    "cut_step": 10,
    "reused_step": 6,
    "edge_steps": 4,
    "saved_steps": 6,
    "device_steps": 10,
}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({}, None),
        ({"device_steps": 9}, "edge 4 + saved 6 + device 9 is not 20"),
        ({"edge_steps": None}, "edge None"),
        ({"cut_step": 11}, "edge 4 + saved 6, and yet cut at 11"),
        ({"reuse_limit": 9}, "cut at 10, past its reuse limit 9"),
        ({"reused_step": 11}, "cut at 10, before step 11 that it began from"),
        ({"reuse_limit": None, "cut_step": None, "reused_step": None}, None),  # an older run's
        ({"reuse": "local", "cut_step": 0, "edge_steps": 0, "saved_steps": 0,
          "device_steps": 20, "reused_step": 0}, None),
    ],
)  # fmt: skip
def test_a_row_whose_steps_are_wrong_is_found(changes: dict[str, Any], why: str | None) -> None:
    wrong = fault(row(1, **{**RESUMED, **changes}).dict(), 20)
    assert wrong is None if why is None else wrong is not None and why in wrong


def test_wrong_steps_make_the_run_invalid(scenario: Scenario) -> None:
    rows = [row(number, **RESUMED).dict() for number in range(3)]
    assert faults(rows, 20) == []
    tree = summary.summarise(scenario, rows, [vars(slot(0))], [], summary.RunFacts())
    assert tree["verdict"] == "VALID"
    rows[1]["saved_steps"] = 7
    rows.append(row(9, result="failed", edge_steps=None).dict())  # came to no step
    tree = summary.summarise(scenario, rows, [vars(slot(0))], [], summary.RunFacts())
    assert tree["verdict"] == (
        "INVALID: the steps of 1 of 3 finished requests are wrong, such as of r-1: "
        "edge 4 + saved 7 + device 10 is not 20"
    )


def test_an_older_runs_cut_is_the_sum_of_its_edge_and_saved_steps() -> None:
    assert cut_step(row(1, cut_step=None, edge_steps=0, saved_steps=6).dict()) == 6
    assert cut_step(row(1, edge_steps=None, saved_steps=None, result="failed").dict()) is None


def test_metrics_have_the_steps_that_the_rows_say() -> None:
    rows = [
        row(1, cut_step=6, reuse_limit=10).dict(),
        row(2, **RESUMED, fidelity=1.0, ssim=0.8).dict(),
        row(3, **RESUMED, fidelity=0.0).dict(),
        row(4, result="failed", edge_steps=None, saved_steps=None).dict(),
    ]
    means = {name: value["mean"] for name, value in summary.metrics(rows, [], {}).items()}
    assert means["partial_ratio"] == pytest.approx(2 / 3) and means["hit_ratio"] == 0
    assert means["saved_steps"] == 4 and means["edge_steps"] == pytest.approx(14 / 3)
    assert means["cut_step"] == pytest.approx(26 / 3)
    assert means["reuse_limit"] == pytest.approx(34 / 3)
    assert means["fidelity"] == 0.5 and means["ssim"] == 0.8


def test_a_run_from_before_the_columns_is_read(
    scenario: Scenario, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = [tmp_path / name for name in ("first", "second")]
    for folder in folders:
        recorder = Recorder(folder, scenario)
        recorder.ended(EndedRequest(row(number), None) for number in range(3))
        recorder.slot(slot(0))
        recorder.close()
        rows = pq.read_table(folder / "requests.parquet")
        pq.write_table(rows.drop_columns(NEW), folder / "requests.parquet")
        tree = yaml.safe_load((folder / "scenario.yaml").read_text())
        del tree["cut"], tree["reuse"]
        (folder / "scenario.yaml").write_text(yaml.safe_dump(tree))
        report.write(folder)
        tree = json.loads((folder / "summary.json").read_text())
        means = {name: value["mean"] for name, value in tree["policies"]["lru"].items()}
        assert tree["verdict"] == "VALID"
        assert (means["cut_step"], means["reuse_limit"], means["fidelity"]) == (6, None, None)
        page = (folder / "report.html").read_text()
        # the settings may say (step 6); the figures say nothing of steps
        assert ">step 6" not in page and "How far outputs were reused" not in page
    assert main(["compare", *map(str, folders)]) == 0
    assert "3 of 3 requests are the same" in capsys.readouterr().out
    trace = read_trace(str(folders[0]), "workload.trace")
    assert [one.request.prompt for one in trace.requests] == ["a small panda"] * 3


def test_cuts_of_a_long_schedule_share_bars() -> None:
    few = [row(cut, cut_step=cut).dict() for cut in (3, 3, 5)]
    assert {name: len(rows) for name, rows in by_cut(few).items()} == {"step 3": 2, "step 5": 1}
    many = [row(cut, cut_step=cut).dict() for cut in range(1, 101)]
    assert {name: len(rows) for name, rows in by_cut(many).items()} == {
        f"{low} to {low + 4}": 5 for low in range(1, 100, 5)
    }


def test_a_report_shows_resumed_requests_their_cuts_and_limits(
    scenario: Scenario, tmp_path: Path
) -> None:
    recorder = Recorder(tmp_path / "run", scenario)
    plain = {"cut_step": 6, "reuse_limit": 20, "reused_step": 0, "prompt": "a panda"}
    recorder.ended(EndedRequest(row(n, **(plain if n % 2 else RESUMED)), None) for n in range(30))
    recorder.slot(slot(0))
    recorder.close()
    page = report.write(tmp_path / "run").read_text()
    for words in ("resumed from the store", "50.0%", "steps saved a request", "step 10", "resumed"):
        assert words in page, words
    assert {"steps.svg", "stages-by-cut.svg"} <= {
        path.name for path in (tmp_path / "run" / "plots").iterdir()
    }
    limits = page[page.index("How far outputs were reused") :]
    limits = limits[: limits.index("</table>")]
    assert "<td>core</td><td>15</td><td>20</td><td>6.0</td>" in limits
    assert "<td>words</td><td>15</td><td>12</td><td>10.0</td>" in limits
    tree = json.loads((tmp_path / "run" / "summary.json").read_text())
    text = headline(tree, "lru")
    assert "resumed 50.0%" in text and "cut at step 8.0 in the mean, limit 16.0" in text
    assert f"3.00 steps saved a request, {90 / scenario.duration_s:.1f} a second" in text


def reuse_table(path: Path) -> None:
    """Of the shipped model: pictures that go on from step 2 or later are wrong one time in ten, and
    of variations there are too few."""
    right = [400, 360, 360, 360]
    cells = [
        Cell.of("words", step, "fidelity", [1.0] * count + [0.0] * (400 - count))
        for step, count in enumerate(right, 1)
    ]
    cells += [Cell.of("variation", step, "fidelity", [1.0] * 83) for step in range(1, 20)]
    pipeline = paced.identity(model="midstep-emoji", scheduler="DDIMScheduler", steps=20)
    table = ReuseTable(
        **asdict(pipeline),
        share=0.99,
        floors={"fidelity": 1.0},
        cells=tuple(cells),
    )
    table.save(path)


def test_the_report_says_what_the_table_promises_at_the_limit_and_after_it(tmp_path: Path) -> None:
    reuse_table(tmp_path / "reuse.json")
    scenario = parse(paced.tree(reuse={"table": str(tmp_path / "reuse.json")}))
    cut = {"reuse_limit": 1, "cut_step": 1, "edge_steps": 1, "device_steps": 19}
    rows = [row(number, **cut).dict() for number in range(5)]
    page = reuse_limits(scenario, {}, rows)
    assert "99% of the pictures have fidelity 1 or more" in page
    assert "<td>words</td><td>5</td><td>1</td><td>1.0</td>" in page
    assert "100.0% of 400 (at least 99.0%)" in page and "90.0% of 400 (at least 86.7%)" in page
    # nothing is promised where the limit is not the table's, but model.split_step
    varied = row(9, **{**cut, "reuse_limit": 6}, variation_seed=3).dict()
    page = reuse_limits(scenario, {}, [*rows, varied])
    assert "<td>variation</td><td>1</td><td>6</td><td>1.0</td><td>-</td><td>-</td>" in page
    elsewhere = scenario.model_copy(
        update={"reuse": scenario.reuse.model_copy(update={"table": "/gone.json"})}
    )
    assert "is not to be read here" in reuse_limits(elsewhere, {}, rows)


def test_the_report_of_a_coupled_run_promises_nothing_by_a_table_that_nobody_read() -> None:
    scenario = load("paper")
    cut = {"reuse_limit": 20, "cut_step": 6, "edge_steps": 6, "device_steps": 14}
    page = reuse_limits(scenario, {}, [row(number, **cut).dict() for number in range(5)])
    assert "1 - 0.05 max(0, m - 5)" in page and "good enough" not in page
    said = dict(describe(scenario, {"versions": {}}, []))["cut"]
    assert said.startswith("by each slot's plan, at step 6 at most; what is held at step m")
