"""The measured table of a model: how good pictures are that reuse an output, by class of request
and step."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from midstep.errors import ScenarioError
from midstep.json_text import parse_json
from midstep.reuse.metrics import FLOORS, GRID, METRICS
from midstep.reuse.proportions import wilson
from midstep.reuse.table_check import check_table
from midstep.whole_file import write_at_once

__all__ = ["FLOORS", "GRID", "METRICS", "Cell", "Curve", "ReuseTable", "bins"]

_FUZZ = 1e-9  # of a value that is a bin's end in decimal and not in binary


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A metric's values for one class of request whose picture goes on from the shared output at
    `step`; 0: from noise, all pairs. Fidelity past step 0 is of the pairs alone whose picture is
    right without reuse. `counts` are of neighbouring bins (GRID) from number `first` on."""

    kind: str
    step: int
    metric: str
    count: int
    mean: float
    p01: float
    p05: float
    p50: float
    first: int
    counts: tuple[int, ...]

    @classmethod
    def of(cls, kind: str, step: int, metric: str, values: Sequence[float]) -> Cell:
        """The cell of measured values, at least one."""
        import numpy as np

        p01, p05, p50 = (float(np.quantile(values, q)) for q in (0.01, 0.05, 0.5))
        first, counts = bins(metric, values)
        return cls(
            kind=kind,
            step=step,
            metric=metric,
            count=len(values),
            mean=float(np.mean(values)),
            p01=p01,
            p05=p05,
            p50=p50,
            first=first,
            counts=counts,
        )

    def at_least(self, floor: float) -> int:
        """How many values are `floor` or more."""
        least = math.ceil(floor / GRID[self.metric] - _FUZZ)
        return sum(self.counts[max(0, least - self.first) :])

    def bounds(self, floor: float) -> tuple[float, float]:
        """Low and high end of the 95 % interval of P(value >= floor)."""
        return wilson(self.at_least(floor), self.count)


@dataclass(frozen=True, kw_only=True)
class Curve:
    """PSNR of (1), (2) along the trajectories of `count` core prompts, dB, after steps `first`,
    `first` + 1 and so on."""

    count: int
    first: int
    mean: tuple[float, ...]
    p05: tuple[float, ...]
    p50: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class ReuseTable:
    """What `midstep calibrate --reuse` has measured on one pipeline. `share` and `floors` are those
    that cells were decided for; `curves`: pictures after each step against the one before
    (`step by step`), and against the finished one (`against the last`)."""

    model: str
    revision: str
    scheduler: str
    scheduler_config: str
    steps: int
    guidance: float
    height: int
    width: int
    dtype: str
    share: float
    floors: Mapping[str, float]
    cells: tuple[Cell, ...]
    curves: Mapping[str, Curve] = field(default_factory=dict)
    embedding: str | None = None  # of which the bins of free text are
    frame: str = "float32"  # numbers of the frames that were handed over (reuse.frame)

    @cached_property
    def kinds(self) -> tuple[str, ...]:
        """Classes of requests that were measured."""
        return tuple(dict.fromkeys(cell.kind for cell in self.cells))

    @cached_property
    def metrics(self) -> tuple[str, ...]:
        """Metrics that were measured, of any class."""
        return tuple(m for m in METRICS if any(cell.metric == m for cell in self.cells))

    @cached_property
    def _cells(self) -> dict[tuple[str, str, int], Cell]:
        return {(cell.kind, cell.metric, cell.step): cell for cell in self.cells}

    def cell(self, kind: str, metric: str, step: int) -> Cell | None:
        """The cell of a class, metric and step, if it was measured."""
        return self._cells.get((kind, metric, step))

    def cell_from(self, kind: str, metric: str, step: int) -> Cell | None:
        """The cell of a step or, where that was not drawn, of the next one that was: less of its
        picture is the user's own, so that it is no better."""
        steps = range(step, self.steps)
        return next((cell for at in steps if (cell := self.cell(kind, metric, at))), None)

    def pairs(self, kind: str, metric: str) -> int:
        """Pictures of a class from the first step on that was drawn, which count for a metric; 0
        where it has no such cell."""
        cell = self.cell_from(kind, metric, 1)
        return 0 if cell is None else cell.count

    def limit(self, kind: str, metric: str, floor: float, share: float) -> int | None:
        """The largest step up to which every step has P(value >= floor) >= share, by the low end of
        the interval (cell_from); 0: not even the first. None where the class has no such metric."""
        if self.cell_from(kind, metric, 1) is None:
            return None
        for step in range(1, self.steps):
            cell = self.cell_from(kind, metric, step)
            if cell is None or cell.bounds(floor)[0] < share:
                return step - 1
        return self.steps - 1

    def foreign(self, model: str, revision: str) -> str | None:
        """Why the table is another's than that model's in that revision, in words; None where it is
        its own."""
        if revision != self.revision:
            return (
                f"it was measured on {self.model}, revision {self.revision[:12]}; the run has "
                f"{model}, revision {revision[:12]}"
            )
        return None

    def save(self, path: Path) -> None:
        """Write as JSON, a cell a line; a reader never meets half a file."""
        tree = asdict(self)
        cells = [json.dumps(cell) for cell in tree.pop("cells")]
        if self.embedding is None:
            del tree["embedding"]
        if self.frame == "float32":
            del tree["frame"]
        head = json.dumps(tree, indent=1).removesuffix("\n}")
        text = f'{head},\n "cells": [\n  ' + ",\n  ".join(cells) + "\n ]\n}\n"
        write_at_once(path, text)

    @classmethod
    def load(cls, path: Path) -> ReuseTable:
        """Read what `save` wrote. Raises ScenarioError where the file is no such table, or a field
        of it cannot be."""
        try:
            tree: dict[str, Any] = parse_json(path.read_bytes(), unique=True)
            check_table(tree)
        except (OSError, ValueError) as error:
            raise ScenarioError(
                f"reuse.table: {path} is no table of reuse ({error}); `midstep calibrate --reuse` "
                f"writes one"
            ) from error
        cells = tuple(Cell(**_tuples(cell)) for cell in tree.pop("cells"))
        curves = {name: Curve(**_tuples(curve)) for name, curve in tree.pop("curves").items()}
        return cls(cells=cells, curves=curves, **tree)


def bins(metric: str, values: Sequence[float]) -> tuple[int, tuple[int, ...]]:
    """Number of the lowest bin that is not empty, and the counts from there to the highest."""
    numbers = [math.floor(value / GRID[metric] + _FUZZ) for value in values]
    first = min(numbers)
    counts = [0] * (max(numbers) - first + 1)
    for number in numbers:
        counts[number - first] += 1
    return first, tuple(counts)


def _tuples(tree: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in tree.items()}
