"""The report's section on reuse limits: what the model's table says for the run's floor and share,
beside the limits and cuts of the run's requests."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np

from midstep.diffusion.pipelines import catalogue_file
from midstep.errors import MidstepError
from midstep.reuse.limits import (
    KINDS,
    class_limit,
    class_quality,
    floor_of,
    open_limits,
    reuse_class,
    table_path,
)
from midstep.reuse.table import ReuseTable
from midstep.scenario import Scenario
from midstep.wire.identity import PipelineIdentity
from midstep.workload.catalogue import Catalogue, load_catalogue
from orchestrator.records.markup import section, table
from orchestrator.records.steps import cut_step

__all__ = ["reuse_limits"]

Rows = Sequence[dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class _Measured:
    """The table of the run's model, and the quality that its scenario asks for."""

    table: ReuseTable
    quality: tuple[str, float]  # metric and floor
    share: float

    def limit(self, kind: str) -> int | None:
        """The limit of a class, 1 to S; None where it was measured on too few pictures."""
        limit = class_limit(self.table, kind, self.quality, self.share)
        return None if limit is None else max(1, limit)

    def probability(self, kind: str, step: int) -> str:
        """P(quality >= floor) at a step, measured, with the low end of its interval."""
        metric, floor = class_quality(kind, self.quality)
        cell = self.table.cell(kind, metric, step)
        if cell is None:
            return "-"
        right = cell.at_least(floor) / cell.count
        return f"{right:.1%} of {cell.count:,} (at least {cell.bounds(floor)[0]:.1%})"


def reuse_limits(scenario: Scenario, run: Mapping[str, Any], done: Rows) -> str:
    """The section, as HTML; nothing of an older run, whose rows have no limits. `run` is the
    summary's tree of that name."""
    rows = [row for row in done if row.get("reuse_limit") is not None]
    if not rows:
        return ""
    measured, note = _measured(scenario, run)
    by_kind = _by_kind(_catalogue(scenario), rows)
    of_table = [] if measured is None else [kind for kind in measured.table.kinds if kind in KINDS]
    kinds = dict.fromkeys([*by_kind, *of_table])
    head = ["requests", "n", "limit", "cut, mean"]
    if measured is not None:
        head += ["good enough at the limit", "at the step after it"]
    lines = [_line(kind, by_kind.get(kind, []), measured) for kind in kinds]
    return section(
        "How far outputs were reused", f"<p class=note>{escape(note)}</p>{table(head, lines)}"
    )


def _line(kind: str, rows: Rows, measured: _Measured | None) -> list[str]:
    limits = sorted({row["reuse_limit"] for row in rows})
    of_table = None if measured is None else measured.limit(kind)
    limit = ", ".join(map(str, limits)) or ("-" if of_table is None else str(of_table))
    cuts = [cut for row in rows if (cut := cut_step(row)) is not None]
    line = [kind, f"{len(rows):,}", limit, f"{np.mean(cuts):.1f}" if cuts else "-"]
    if measured is None:
        return line
    if of_table is None:
        return [*line, "-", "-"]
    return [*line, measured.probability(kind, of_table), measured.probability(kind, of_table + 1)]


def _measured(scenario: Scenario, run: Mapping[str, Any]) -> tuple[_Measured | None, str]:
    """The table that limits were read off, and a sentence on it; None where there is none, or it is
    not on this machine, or a draw took its place."""
    if scenario.reuse.tolerance is not None:
        return None, (
            "No limit was read off a table (reuse.tolerance: paper): a held output at step m "
            "served with the paper's probability, 1 - 0.05 max(0, m - 5), one draw for each prompt "
            "and slot."
        )
    try:
        notice = open_limits(scenario, _identity(run)).notice
        path = table_path(scenario)
        if path is None:
            return None, notice or ""
        measured = ReuseTable.load(path)
        metric, floor = floor_of(scenario, measured, path)
    except MidstepError as error:
        return None, f"The model's table of reuse is not to be read here: {error}."
    share = scenario.reuse.share
    text = (
        f"The limit is the last step of the shared output up to which {share:.0%} of the pictures "
        f"have {metric} {floor:g} or more, by the low end of a 95 % interval; what the user's "
        f"prompt adds to the shared one decides."
    )
    if notice:
        text = f"{text} {notice[0].upper()}{notice[1:]}."
    return _Measured(table=measured, quality=(metric, floor), share=share), text


def _identity(run: Mapping[str, Any]) -> PipelineIdentity | None:
    """The pipeline that a run's summary names; None where it does not, or no longer as it was."""
    try:
        return PipelineIdentity(**(run.get("pipeline") or {}))
    except TypeError:
        return None


def _by_kind(catalogue: Catalogue | None, rows: Rows) -> dict[str, list[dict[str, Any]]]:
    """Rows by the class of their request."""
    by_kind = defaultdict[str, list[dict[str, Any]]](list)
    kinds: dict[tuple[str, str, bool], str] = {}  # of prompts: they come again
    for row in rows:
        words = row["prompt"], row["edge_prompt"], row["variation_seed"] is not None
        if words not in kinds:
            kinds[words] = reuse_class(catalogue, *words)
        by_kind[kinds[words]].append(row)
    return dict(sorted(by_kind.items(), key=lambda pair: -len(pair[1])))


def _catalogue(scenario: Scenario) -> Catalogue | None:
    """The model's own catalogue, where there is one on this machine."""
    try:
        file = catalogue_file(scenario.model.path)
    except MidstepError:
        return None
    return None if file is None else load_catalogue(file)
