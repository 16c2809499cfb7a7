"""The measured table: what it reads off, and what it refuses to read."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from midstep.errors import ScenarioError
from midstep.reuse.limits import BOTH, SIZE
from midstep.reuse.table import Cell, ReuseTable
from tests.midstep.reuse.measured import STEPS, table


def test_a_table_comes_back_as_it_was(tmp_path: Path) -> None:
    first = table()
    first.save(tmp_path / "reuse.json")
    again = ReuseTable.load(tmp_path / "reuse.json")
    assert again.cells == first.cells and again == first


@pytest.mark.parametrize(("floor", "count"), [(30.0, 3), (30.1, 2), (30.5, 2), (31.0, 1), (40, 0)])
def test_any_floor_can_be_asked_for_and_never_counts_too_many(floor: float, count: int) -> None:
    """30.1 lies between two bins: what is counted is what reaches the next."""
    cell = Cell.of(SIZE, 1, "psnr", [29.9, 30.0, 30.6, 31.2])
    assert cell.at_least(floor) == count


@pytest.mark.parametrize("value", [0.07, 0.29, 0.57, 0.58, 0.9, 1.0])
def test_a_value_at_the_end_of_a_bin_reaches_itself(value: float) -> None:
    assert Cell.of(SIZE, 1, "ssim", [value]).at_least(value) == 1


def test_a_hole_stops_the_limit() -> None:
    """The largest step up to which all hold, not the largest that holds."""
    assert table().limit(SIZE, "fidelity", 1, 0.99) == STEPS - 1
    with_hole = table({(SIZE, 7): 5})
    assert with_hole.limit(SIZE, "fidelity", 1, 0.99) == 6
    assert with_hole.limit(BOTH, "fidelity", 1, 0.99) == STEPS - 1
    assert with_hole.limit(SIZE, "fidelity", 1, 0.95) == STEPS - 1


def test_a_step_that_was_not_drawn_counts_as_the_next() -> None:
    """It shares less, so that it is no worse: and never as the one before."""
    whole = table({(SIZE, 9): 5})
    drawn = tuple(cell for cell in whole.cells if cell.step in (3, 8, 9, 10, 11))
    few = replace(whole, cells=drawn)
    assert few.pairs(SIZE, "fidelity") == 400
    assert few.limit(SIZE, "fidelity", 1, 0.99) == 8
    assert few.limit(BOTH, "fidelity", 1, 0.99) == 11
    without = replace(whole, cells=tuple(cell for cell in drawn if cell.step != 8))
    assert without.limit(SIZE, "fidelity", 1, 0.99) == 3


def test_the_low_end_counts_and_not_the_mean() -> None:
    assert table({(SIZE, 3): 1}).limit(SIZE, "fidelity", 1, 0.99) == 2  # 399 of 400 right


def test_a_floor_lowers_the_limit() -> None:
    limits = [table().limit(SIZE, "psnr", floor, 0.9) for floor in (20, 30, 40, 59, 60)]
    assert limits == [19, 14, 9, 0, 0]


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda tree: tree["cells"][0].update(count=7), "do not add up to 7"),
        (lambda tree: tree["cells"][0].update(step=20), "steps go from 0 to 19"),
        (lambda tree: tree["cells"][0].update(metric="lpips"), "metrics are"),
        (lambda tree: tree.pop("guidance"), "guidance"),
        (lambda tree: tree.update(steps="20"), "whole number"),
        (lambda tree: tree["cells"][0].update(counts=[0.5] * 800), "no whole number"),
    ],
)
def test_a_damaged_table_is_refused_in_one_line(
    damage: Callable[[dict[str, Any]], object], reason: str, tmp_path: Path
) -> None:
    path = tmp_path / "reuse.json"
    table().save(path)
    tree = json.loads(path.read_text())
    damage(tree)
    for text in (json.dumps(tree), path.read_text()[:500]):
        path.write_text(text)
        with pytest.raises(ScenarioError) as error:
            ReuseTable.load(path)
        assert "\n" not in str(error.value) and "calibrate --reuse" in str(error.value)
        if text.endswith("}"):
            assert reason in str(error.value)
