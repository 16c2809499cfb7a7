"""Checks the tree of a table of reuse, as JSON has it, before anything is read off it.

A table may be another program's, or an edited one: each field and cell is looked at for its type
and range, and the first one that cannot be is named.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, get_args

from midstep.radio.physics import PSNR_CAP_DB
from midstep.reuse.metrics import GRID, METRICS
from midstep.scenario import Reuse
from midstep.units import excerpt

__all__ = ["check_table"]

MOST_STEPS = 1000  # as model.steps
LARGEST = 1 << 40  # of a whole number: more was never counted
FINITE = 1e15  # of any number
FRAMES: tuple[str, ...] = get_args(Reuse.model_fields["frame"].annotation)
TEXTS = ("model", "revision", "scheduler", "scheduler_config", "dtype")
FIELDS = (*TEXTS, "steps", "guidance", "height", "width", "share", "floors", "curves", "cells")
OPTIONAL = ("embedding", "frame")
CELL = ("kind", "step", "metric", "count", "mean", "p01", "p05", "p50", "first", "counts")
CURVE = ("count", "first", "mean", "p05", "p50")
CELL_KEYS = frozenset(CELL)
RANGES = {"fidelity": (0.0, 1.0), "psnr": (0.0, PSNR_CAP_DB), "ssim": (-1.0, 1.0)}  # of values
SLACK = 0.1  # of a bin, as somebody may have rounded a mean or a quantile


def check_table(tree: Any) -> None:
    """Raise ValueError, one line, for the first field that cannot be: which, what it is, and what
    would be right."""
    _check_keys("the table", tree, FIELDS, OPTIONAL)
    for name in TEXTS:
        if not _is_text(tree[name]):
            raise ValueError(f"{name}: {excerpt(tree[name])} is no text of one line")
    _check_whole("steps", tree["steps"], 2, MOST_STEPS)
    for name in ("height", "width"):
        _check_whole(name, tree[name], 1)
    _check_number("guidance", tree["guidance"])
    if not _is_number(tree["share"]) or not 0 < tree["share"] < 1:
        raise ValueError(f"share: {excerpt(tree['share'])} is no number above 0 and below 1")
    if tree.get("frame", FRAMES[0]) not in FRAMES:
        raise ValueError(f"frame: {excerpt(tree['frame'])} is none of {', '.join(FRAMES)}")
    embedding = tree.get("embedding")
    if embedding is not None and not _is_text(embedding):
        raise ValueError(f"embedding: {excerpt(embedding)} is no text of one line, and not null")
    _check_floors(tree["floors"])
    _check_curves(tree["curves"], tree["steps"])
    _check_cells(tree["cells"], tree["steps"])


def _check_floors(floors: Any) -> None:
    if not isinstance(floors, dict):
        raise ValueError(f"floors: {excerpt(floors)} is no object of a number each metric")
    for metric, floor in floors.items():
        if metric not in METRICS:
            raise ValueError(f"floors: {excerpt(metric)}: metrics are {', '.join(METRICS)}")
        _check_number(f"floors.{metric}", floor)


def _check_curves(curves: Any, steps: int) -> None:
    if not isinstance(curves, dict):
        raise ValueError(f"curves: {excerpt(curves)} is no object of curves by name")
    for name, curve in curves.items():
        where = f"curves, {excerpt(name)}"
        _check_keys(where, curve, CURVE)
        _check_whole(f"{where}, count", curve["count"], 1)
        _check_whole(f"{where}, first", curve["first"], 1, steps)
        most = steps + 1 - curve["first"]
        for part in ("mean", "p05", "p50"):
            values = curve[part]
            if not isinstance(values, list) or not all(map(_is_number, values)):
                raise ValueError(f"{where}, {part}: it has to be a list of finite numbers")
            if not 1 <= len(values) <= most or len(values) != len(curve["mean"]):
                raise ValueError(
                    f"{where}, {part}: {len(values)} numbers; there is one a step from step "
                    f"{curve['first']} on, 1 to {most}, as many as of its mean"
                )


def _check_cells(cells: Any, steps: int) -> None:
    if not isinstance(cells, list) or not cells:
        raise ValueError("cells: it has to be a list of at least one cell")
    names = set()
    for number, cell in enumerate(cells):
        if type(cell) is not dict or cell.keys() != CELL_KEYS:
            _check_keys(f"cells.{number}", cell, CELL)
        try:
            _check_cell(cell, steps)
        except ValueError as error:
            raise ValueError(f"cells.{number}{_label(cell)}: {error}") from error
        name = cell["kind"], cell["metric"], cell["step"]
        if name in names:
            raise ValueError(
                f"cells.{number}{_label(cell)}: there is such a cell before it; a class has one a "
                f"step and metric"
            )
        names.add(name)


def _check_cell(cell: dict[str, Any], steps: int) -> None:
    """Check one cell with all its keys, for a table of so many steps."""
    if not _is_text(cell["kind"]):
        raise ValueError(f"kind: {excerpt(cell['kind'])} is no text of one line")
    metric = cell["metric"]
    if metric not in METRICS:
        raise ValueError(f"metric: {excerpt(metric)}: metrics are {', '.join(METRICS)}")
    step = cell["step"]
    if type(step) is not int or not 0 <= step < steps:
        raise ValueError(
            f"step: {excerpt(step)} is none: steps go from 0 to {steps - 1}, in whole numbers"
        )
    _check_whole("count", cell["count"], 1)
    first = cell["first"]
    _check_whole("first", first, -LARGEST)
    counts = cell["counts"]
    if type(counts) is not list or set(map(type, counts)) != {int} or min(counts) < 0:
        raise ValueError(
            f"counts: {_odd(counts)} is no whole number from 0 on; it has to be a list of them, "
            f"one a bin"
        )
    if sum(counts) != cell["count"]:
        raise ValueError(f"counts: they do not add up to {cell['count']}, its count")
    grid = GRID[metric]
    least, most = RANGES[metric]
    if first < least / grid - SLACK or first + len(counts) - 1 > most / grid + SLACK:
        raise ValueError(
            f"first and counts: bins from {first * grid:g} to {(first + len(counts)) * grid:g}; "
            f"{metric} goes from {least:g} to {most:g}"
        )
    low = (first - SLACK) * grid
    high = (first + len(counts) + SLACK) * grid
    for name in ("mean", "p01", "p05", "p50"):
        value = cell[name]
        if not _is_number(value):
            raise ValueError(f"{name}: {excerpt(value)} is no finite number")
        if not low <= value <= high:
            raise ValueError(
                f"{name}: {value:g} is outside its bins, which go from {first * grid:g} to "
                f"{(first + len(counts)) * grid:g}"
            )
    if not cell["p01"] <= cell["p05"] <= cell["p50"]:
        raise ValueError("p01, p05 and p50: quantiles, which have to ascend")


def _check_keys(where: str, tree: Any, needs: Iterable[str], optional: Iterable[str] = ()) -> None:
    """Raise ValueError where a tree is no object with these keys."""
    if type(tree) is not dict:
        raise ValueError(f"{where} is {excerpt(tree)} and no object")
    needs = tuple(needs)
    known = (*needs, *optional)
    for name in tree:
        if name not in known:
            raise ValueError(
                f"{where} has a field {excerpt(name)}, which there is not: leave it out"
            )
    for name in needs:
        if name not in tree:
            raise ValueError(f"{where} has no {name}")


def _check_whole(where: str, value: Any, least: int, most: int = LARGEST) -> None:
    if type(value) is not int or not least <= value <= most:
        bounds = f"from {least} to {most}" if most < LARGEST else f"from {least} on"
        bounds = f" {bounds}" if least > -LARGEST else ""
        raise ValueError(f"{where}: {excerpt(value)} is no whole number{bounds}")


def _check_number(where: str, value: Any) -> None:
    if not _is_number(value):
        raise ValueError(f"{where}: {excerpt(value)} is no finite number")


def _is_number(value: Any) -> bool:
    """Whether it is a number that can be counted with; true and false are none."""
    return type(value) in (int, float) and -FINITE < value < FINITE


def _is_text(value: Any) -> bool:
    """Whether it is a text that a message can show in its line."""
    return type(value) is str and value != "" and value.isprintable()


def _label(cell: dict[str, Any]) -> str:
    """A cell's class, metric and step in brackets, where they are what they have to be."""
    parts = [excerpt(cell[name]) for name in ("kind", "metric", "step")]
    return f" ({', '.join(parts)})"


def _odd(counts: Any) -> str:
    """What of a list of counts is no count, or what is in its place."""
    if type(counts) is not list or not counts:
        return "an empty list" if counts == [] else excerpt(counts)
    return excerpt(next(n for n in counts if type(n) is not int or n < 0))
