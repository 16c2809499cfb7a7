"""Makes the table of what was measured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import product
from pathlib import Path

import numpy as np

from midstep.errors import OptionError, ScenarioError
from midstep.reuse.likeness import LIKENESS
from midstep.reuse.limits import KINDS
from midstep.reuse.table import METRICS, Cell, Curve, ReuseTable
from midstep.wire.identity import PipelineIdentity
from orchestrator.doctor.calibrate_reuse.drawing import STEP_BY_STEP
from orchestrator.doctor.calibrate_reuse.parts import Part

__all__ = ["assemble", "held_table"]


def held_table(path: Path, identity: PipelineIdentity) -> ReuseTable | None:
    """The table that measurements are added to; None where there is no file. Raises OptionError
    where it is no table, or another pipeline's."""
    if not path.exists():
        return None
    try:
        table = ReuseTable.load(path)
    except ScenarioError as error:
        raise OptionError(f"--out {path} is no table that could be added to: {error}") from error
    for name, value in asdict(identity).items():
        if getattr(table, name) != value:
            raise OptionError(
                f"--out {path} is the table of another pipeline ({name} {getattr(table, name)}, "
                f"here {value}): give another --out"
            )
    return table


def assemble(
    identity: PipelineIdentity, parts: Sequence[Part], held: ReuseTable | None
) -> ReuseTable:
    """The table of what was drawn of each part, and of the cells of `held` whose classes are in
    none of them, unchanged."""
    measured = {kind for part in parts for kind in part.pairs.kinds}
    cells = [cell for cell in ([] if held is None else held.cells) if cell.kind not in measured]
    floors = {} if held is None else dict(held.floors)
    for part in parts:
        cells += _cells(part, identity.steps)
        target = part.target
        floors |= {metric: target.floors[metric] for metric in sorted({*target.metrics.values()})}
    embeddings: list[str | None] = [part.embedding for part in parts if part.embedding is not None]
    if not embeddings and held is not None:
        embeddings = [held.embedding]
    rows = [of for part in parts for _, of in sorted(part.journal.curves.items())]
    return ReuseTable(
        **asdict(identity),
        share=parts[0].target.share if held is None else held.share,
        floors=floors,
        cells=tuple(cells),
        curves=_curves(rows) if rows or held is None else held.curves,
        embedding=embeddings[0] if embeddings else None,
    )


def _cells(part: Part, steps: int) -> Iterator[Cell]:
    """The cells of so many pairs of each class."""
    known = part.journal.values
    values: dict[tuple[str, int, str], list[float]] = {}
    for (kind, pair, step), of in sorted(known.items()):
        if pair >= part.drawn.get(kind, 0):
            continue
        counts = not step or part.target.counts(kind, known.get((kind, pair, 0)))
        for metric, value in of.items():
            if counts or metric != "fidelity":
                values.setdefault((kind, step, metric), []).append(value)
    for kind, metric, step in product((*KINDS, *LIKENESS), METRICS, range(steps)):
        if (kind, step, metric) in values:
            yield Cell.of(kind, step, metric, values[kind, step, metric])


def _curves(rows: Sequence[dict[str, list[float]]]) -> dict[str, Curve]:
    curves: dict[str, Curve] = {}
    for name in rows[0] if rows else ():
        values = np.array([row[name] for row in rows])
        curves[name] = Curve(
            count=len(rows),
            first=2 if name == STEP_BY_STEP else 1,
            mean=_rounded(values.mean(0)),
            p05=_rounded(np.quantile(values, 0.05, axis=0)),
            p50=_rounded(np.quantile(values, 0.5, axis=0)),
        )
    return curves


def _rounded(values: np.ndarray) -> tuple[float, ...]:
    return tuple(round(float(value), 3) for value in values)
