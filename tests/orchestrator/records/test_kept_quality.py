"""What checks of pictures say in a run's record: the guarantee, and what hits are worth."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from midstep.scenario_file import parse
from orchestrator.records import report, summary
from orchestrator.records.kept_quality import checks_line, good_shares, guarantee
from orchestrator.records.recorder import Recorder
from orchestrator.records.rows import EndedRequest
from orchestrator.records.run_reader import read_run
from tests import paced
from tests.orchestrator.records.record_rows import row, slot


def dict_row(number: int, **changes: object) -> dict[str, Any]:
    own: dict[str, object] = {"reuse": "exact", "reuse_class": "size", "cut_step": 6}
    return row(number, saved_steps=6, edge_steps=0, **{**own, **changes}).dict()


def test_an_unchecked_picture_is_worth_what_those_of_its_class_and_step_are() -> None:
    rows = [
        dict_row(0, quality_kept=1.0),
        dict_row(1, quality_kept=0.0),
        dict_row(2),  # half of its class and step were good
        dict_row(3, cut_step=9),  # none of that step was checked: as its class
        dict_row(4, reuse_class="position", quality_kept=1.0),
        dict_row(5, reuse_class="words"),  # none of that class: as all
        dict_row(6, reuse_class="core"),  # the very picture without reuse
        dict_row(7, reuse_class="core", likeness="same object", reused_step=4),
        dict_row(8, reuse="local", cut_step=0),
    ]
    shares = good_shares(rows)
    assert shares == [1, 0, 0.5, 0.5, 1, pytest.approx(2 / 3), 1, pytest.approx(2 / 3), 1]


def test_what_went_on_from_a_donor_is_a_line_of_its_own() -> None:
    alike: dict[str, object] = {"likeness": "same object", "reused_step": 4}
    rows = [
        dict_row(0, quality_kept=1.0, **{**alike, "cut_step": 4}),
        dict_row(1, quality_kept=0.0, **alike),
        dict_row(2, **{**alike, "cut_step": 4}),
        dict_row(3, **alike),
    ]
    assert good_shares(rows) == [1, 0, 1, 0]
    page = guarantee(rows)
    assert "<td>same object</td>" in page and "<td>same object, then size</td>" in page


def test_where_nothing_was_checked_nothing_is_claimed() -> None:
    rows = [dict_row(0), dict_row(1, reuse_class="core")]
    assert good_shares(rows) == [None, 1]
    figures = summary.metrics(rows, [], {})
    assert figures["hit_ratio"]["mean"] == 1
    assert figures["hit_ratio_adjusted"]["mean"] is None
    assert guarantee(rows) == ""
    own = summary.metrics([dict_row(1, reuse_class="core")], [], {})
    assert own["hit_ratio_adjusted"]["mean"] == 1


def test_hits_and_saved_steps_count_by_their_quality() -> None:
    rows = [dict_row(i, quality_kept=float(i > 0)) for i in range(4)]
    figures = summary.metrics(rows, [], {})
    assert figures["quality_kept"]["mean"] == 0.75
    assert figures["hit_ratio_adjusted"]["mean"] == 0.75
    assert figures["saved_steps"]["mean"] == 6
    assert figures["saved_steps_adjusted"]["mean"] == 4.5
    assert checks_line(rows) == (
        "4 reused pictures made again without reuse: 25.0% below the quality asked for "
        "(95 %: 4.6% to 69.9%)"
    )
    assert checks_line([dict_row(0)]) is None
    page = guarantee(rows)
    assert "25.0% (4.6% to 69.9%)" in page


def test_a_check_is_on_disk_at_once_and_in_the_table_in_the_end(tmp_path: Path) -> None:
    scenario = parse(paced.tree(modes={"clock": "wall", "denoiser": "real", "wire": "grpc"}))
    recorder = Recorder(tmp_path / "run", scenario)
    mine = {"reuse": "exact", "reuse_class": "size", "cut_step": 6}
    recorder.ended([EndedRequest(row(i, **mine), b"png") for i in range(2)])
    checked = row(1, ssim=0.5, psnr_db=20.0, quality_kept=0.0, **mine)
    recorder.ended([EndedRequest(checked, None, again=True)])
    recorder.slot(slot(0))
    for closed in (False, True):  # the journals of one that breaks off, and the table
        if closed:
            recorder.close()
        rows, _ = read_run(tmp_path / "run")
        assert [(one["request_id"], one["ssim"]) for one in rows] == [("r-0", None), ("r-1", 0.5)]
        page = report.write(tmp_path / "run").read_text()
        assert "The guarantee" in page and "100.0%" in page
        tree = json.loads((tmp_path / "run" / "summary.json").read_text())
        assert tree["policies"][scenario.policy.name]["quality_kept"]["mean"] == 0
    assert not (tmp_path / "run" / "checks.jsonl").exists()
