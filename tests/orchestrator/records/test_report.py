"""The report for a paper: what was run, figures by device class, n and ±, plots as files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from midstep.scenario import Scenario
from midstep.scenario_file import parse
from orchestrator.records import figures, markup, report, sections, summary
from orchestrator.records.description import describe
from orchestrator.records.recorder import Recorder
from orchestrator.records.rows import EndedRequest
from orchestrator.records.slot_plots import SlotPlots
from tests import paced
from tests.orchestrator.records.record_rows import row, slot

RESULTS = ("done", "rejected", "failed")
TWO_CLASSES = [
    {"class": "phone", "count": 3},
    {"class": "tablet", "count": 1, "speed_ratio": 0.15},
]


def of_classes(**changes: object) -> dict[str, Any]:
    """A row of a tablet; `row` makes those of phones."""
    return {**row(0).dict(), "device_class": "tablet", **changes}


def recorded(folder: Path, scenario: Scenario, requests: int) -> Path:
    """A run of phones and one tablet, of so many requests."""
    recorder = Recorder(folder, scenario)
    for number in range(requests):
        one = row(number, reuse="exact" if number % 3 else "computed", total_s=2.0 + number / 100)
        one.device_class = "phone" if number % 10 else "tablet"
        recorder.ended([EndedRequest(one, None)])
    for number in range(20):
        at = slot(number)
        at.store_entries = 4
        at.loss = 0.5
        recorder.slot(at)
    recorder.close()
    report.write(folder)
    return folder


def test_summary_has_figures_by_device_class_that_the_rows_give() -> None:
    scenario = parse(paced.tree(devices=TWO_CLASSES))
    phones = [row(number, total_s=9.0).dict() for number in range(3)]
    tablets = [of_classes(total_s=3.5), of_classes(result="failed", total_s=None)]
    facts = summary.RunFacts()
    tree = summary.summarise(scenario, [*phones, *tablets], [vars(slot(0))], [], facts)
    mean = {name: of["response_per_request_ms"]["mean"] for name, of in tree["classes"].items()}
    assert mean == {"phone": pytest.approx(9000), "tablet": pytest.approx(3500)}
    assert tree["classes"]["tablet"]["failed"]["mean"] == 1
    assert "queue_ms" not in tree["classes"]["phone"]  # Q is the edge's, of no class
    one = parse(paced.TREE)
    assert "classes" not in summary.summarise(one, phones, [], [], facts)


def test_the_page_says_what_was_run(tmp_path: Path) -> None:
    scenario = parse(
        paced.tree(
            devices=TWO_CLASSES,
            seed=11,
            workload={"catalogue_size": 20, "arrivals": {"poisson": {"per_user_per_minute": 5}}},
            policy={"name": "lru", "latency_target_s": 2.5},
        )
    )
    page = report.write(recorded(tmp_path / "run", scenario, 30)).read_text()
    for said in (
        "paced, seed 11",
        "3 x phone",
        "open, poisson (per_user_per_minute 5)",
        "20 prompts; Zipf 0.8",
        "store 65,536 bytes (2,621 outputs of 25 bytes)",
        "lru; timing proactive, admission access",
        "2.5 s",
        "20 steps, guidance 3",
        "rule fixed (step 6), within each request&#x27;s reuse limit",
    ):
        assert said in page, said


def test_each_key_of_a_part_of_the_scenario_is_in_the_description() -> None:
    """A key that is added to arrivals, channel or workload is named without a change here."""
    scenario = parse(paced.TREE)
    said = " ".join(value for _, value in describe(scenario, {"versions": {}}, []))
    for part in (scenario.channel, scenario.workload, scenario.devices[0]):
        values = {name for name, value in part if isinstance(value, (int, float))}
        renamed = {"frame_bytes", "fading", "catalogue_size", "drift_swaps_per_slot", "count"}
        assert all(name in said for name in values - renamed), values


def test_plots_are_files_too_and_the_same_each_time(tmp_path: Path) -> None:
    scenario = parse(paced.tree(devices=TWO_CLASSES))
    folder = recorded(tmp_path / "run", scenario, 120)
    first = {path.name: path.read_bytes() for path in (folder / "plots").iterdir()}
    assert set(first) == {
        f"{name}.svg"
        for name in (
            "stages",
            "steps",
            "stages-by-class",
            "responses",
            "responses-by-class",
            "hits",
            "backlog",
            "learning",
        )
    }  # and no empty panel for a gap that no slot has
    page = report.write(folder).read_text()
    assert {path.name: path.read_bytes() for path in (folder / "plots").iterdir()} == first
    linked = set(re.findall(r'href="([^"#]+)"', page))
    assert {f"plots/{name}" for name in first} | {"requests.parquet", "summary.json"} <= linked
    assert all((folder / name).is_file() for name in linked)
    assert b"<dc:date>" not in first["stages.svg"]


def test_a_warm_up_is_shown_as_time_that_is_not_measured() -> None:
    slots = [vars(slot(number)) for number in range(10, 20)]
    shown = [
        SlotPlots(slots=part, slot_seconds=1.0).hits("hits").svg
        for part in (slots, [{**slots[0], "start_s": 0.0}])
    ]
    # matplotlib leaves a text's words in a comment
    assert ["<!-- not measured -->" in svg for svg in shown] == [True, False]


def test_a_class_may_have_any_name(tmp_path: Path) -> None:
    """matplotlib reads $ as the beginning of a formula, and hides what begins with _."""
    odd = [{"class": r"$\frac", "count": 2}, {"class": "_<b>", "count": 2}]
    recorder = Recorder(tmp_path / "run", parse(paced.tree(devices=odd)))
    for number in range(4):
        one = row(number)
        one.device_class = str(odd[number % 2]["class"])
        recorder.ended([EndedRequest(one, None)])
    recorder.close()
    page = report.write(tmp_path / "run").read_text()
    assert "plots/responses-by-class.svg" in page
    assert "<b>" not in page.partition("By device class")[2].partition("</table>")[0]


def test_a_figure_says_n_and_why_it_has_no_interval() -> None:
    def tiles(count: int) -> str:
        metrics = summary.metrics([row(i).dict() for i in range(count)], [], {"edge-0": 0.01})
        return figures.tiles(metrics, {})

    short = tiles(63)
    assert "n = 63; ± from 100 on" in short and "response, largest of 63 (s)" in short
    assert "<i>± 0.000</i>" in tiles(200) and "response, p95 (s)" in tiles(200)


def test_what_came_to_no_picture_is_counted_once() -> None:
    rows = [row(i, result=result, total_s=2.0).dict() for i, result in enumerate(RESULTS)]
    page = figures.tiles(summary.metrics(rows, [], {}), {})
    assert "<b>2</b><span>without a picture</span><small>1 rejected, 1 failed" in page


def test_times_of_one_table_have_one_unit() -> None:
    slow, fast = (
        summary.metrics([row(i, total_s=total).dict() for i in range(5)], [], {})
        for total in (9.0, 0.25)
    )
    table = figures.figure_table("class", {"phone": slow, "watch": fast})
    assert "response, mean (s)" in table and "0.250" in table and "9.000" in table
    alone = figures.figure_table("class", {"watch": fast})
    assert "response, mean (ms)" in alone and "250.00" in alone


def test_nothing_is_minus_zero() -> None:
    assert markup.number(-0.0001, "{:.1f} ms") == "0.0 ms"
    assert markup.number(-0.001, "{:.0%}") == "0%"
    assert markup.number(-0.06, "{:.1f}") == "-0.1"


def test_virtual_time_says_nothing_of_the_machine() -> None:
    """It is then always busy."""
    run = {"step_s": 0.01, "cpu_share": 1.0}
    assert "busy" not in sections.modes(parse(paced.TREE), {"run": run})
    wall = parse(paced.tree(modes={"denoiser": "paced"}))
    assert "100% busy" in sections.modes(wall, {"run": run})
