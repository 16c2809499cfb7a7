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
from midstep.reuse.table import Cell, Curve, ReuseTable
from tests.midstep.reuse.measured import STEPS, table

CURVE = {"count": 2, "first": 19, "mean": [30.0, 31.0], "p05": [29.0, 30.0], "p50": [30.0, 31.0]}


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
        (lambda tree: tree["cells"][0].update(counts=[0.5] * 800), "counts: 0.5 is no whole"),
        (lambda tree: tree["cells"][3].update(kind={}), r"cells.3 (a dict, "),
        (lambda tree: tree["cells"][3].update(kind="a\nb"), r"kind: 'a\nb' is no text of one line"),
        (lambda tree: tree["cells"][0].update(step=True), "step: True is none"),
        (lambda tree: tree["cells"][0].update(mean="x"), "mean: 'x' is no finite number"),
        (lambda tree: tree["cells"][0].update(p05=10**400), "p05: a number of more than 19"),
        (lambda tree: tree["cells"][0].update(p01=-40), "p01: -40 is outside its bins"),
        (
            lambda tree: tree["cells"][1].update(p01=tree["cells"][1]["p50"]),
            "quantiles, which have to ascend",
        ),
        (lambda tree: tree["cells"][0].update(first=-1), "fidelity goes from 0 to 1"),
        (lambda tree: tree["cells"][0].update(counts=[]), "counts: an empty list"),
        (lambda tree: tree["cells"][0].update(counts=[401, -1]), "counts: -1 is no whole number"),
        (lambda tree: tree["cells"][0].pop("p50"), "cells.0 has no p50"),
        (lambda tree: tree["cells"].append(tree["cells"][2]), "there is such a cell before it"),
        (lambda tree: tree.update(cells=[]), "a list of at least one cell"),
        (lambda tree: tree.update(cells=["x"]), "cells.0 is 'x' and no object"),
        (lambda tree: tree.update(hello=1), "the table has a field 'hello', which there is not"),
        (lambda tree: tree.update(model="a\nb"), "model: "),
        (lambda tree: tree.update(steps=10**12), "steps: 1000000000000 is no whole number from 2"),
        (lambda tree: tree.update(share="x"), "share: 'x' is no number above 0 and below 1"),
        (lambda tree: tree.update(share=1), "share: 1 is no number above 0 and below 1"),
        (lambda tree: tree.update(floors={"lpips": 1}), "floors: 'lpips': metrics are"),
        (lambda tree: tree.update(frame=3), "frame: 3 is none of float32, float16, int8"),
        (lambda tree: tree.update(embedding=[]), "embedding: a list is no text"),
        (lambda tree: tree.update(curves={"a": {}}), "curves, 'a' has no count"),
        (lambda tree: tree.update(curves={"a": CURVE | {"p05": [1.0]}}), "p05: 1 numbers"),
        (lambda tree: tree.update(curves={"a": CURVE | {"p05": [1, None]}}), "finite numbers"),
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
            line = str(error.value)
            assert reason in line and str(path) in line


def test_a_table_that_says_something_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "reuse.json"
    table(curves={"a": Curve(**{name: CURVE[name] for name in CURVE})}).save(path)  # type: ignore[arg-type]
    ReuseTable.load(path)
    path.write_text(path.read_text().replace('"count": 400', '"count": 400, "count": 400', 1))
    with pytest.raises(ScenarioError, match="it has 'count' twice"):
        ReuseTable.load(path)
