"""validation.md, validation.json and table.csv: what a validation found."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from midstep.whole_file import replacing
from orchestrator.evaluation.validation.agreement import Agreement
from orchestrator.evaluation.validation.loads import JUDGED, Point
from orchestrator.records.folders import write_at_once

__all__ = ["Finding", "lines", "verdict", "write"]

COLUMNS = (
    "point",
    "predicted",
    "measured",
    "stage",
    "quantity",
    "predicted_s",
    "measured_s",
    "bias_s",
    "bound_s",
    "spread_s",
    "within",
)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One comparison at one operating point, with what explains the difference. `faults`: why a
    measurement is not VALID by its own verdict."""

    point: Point
    agreement: Agreement
    explanation: Sequence[str]
    faults: Sequence[str] = ()

    @property
    def title(self) -> str:
        agreement = self.agreement
        return f"{self.point.name}: {agreement.predicted} against {agreement.measured}"


def verdict(findings: Sequence[Finding]) -> str:
    """`AGREE`, `DIFFER` with the comparisons that miss a bound, or `INVALID` where a measurement
    was not VALID itself; of the points that are judged."""
    judged = [finding for finding in findings if finding.point.judged]
    invalid = [finding.title for finding in judged if finding.faults]
    if invalid:
        return f"INVALID: a measurement did not keep its own bounds: {'; '.join(invalid)}"
    missed = [finding.title for finding in judged if finding.agreement.misses()]
    if missed:
        return f"DIFFER: {'; '.join(missed)}"
    return (
        "AGREE" if judged else f"not judged: no operating point is at or below a load of {JUDGED:g}"
    )


def lines(finding: Finding) -> list[str]:
    """One comparison as a Markdown section."""
    agreement = finding.agreement
    pairs = agreement.pairing
    head = [
        f"## {finding.title}",
        "",
        f"Offered load of the edge without reuse: {finding.point.edge_load:.2f}"
        f"{'' if finding.point.judged else ' (reported, not judged)'}. "
        f"{agreement.predicted_figures.requests} requests predicted, "
        f"{agreement.measured_figures.requests} measured in all repetitions.",
        "",
        "| stage, ms | mean | bias | +- | p50 | bias | +- | p95 | bias | +- |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    stages = dict.fromkeys(error.stage for error in agreement.stages)
    rows = [_stage_row(agreement, stage) for stage in stages]
    ours = agreement.predicted_figures
    theirs = agreement.measured_figures
    spread = agreement.hit_spread
    beside = "" if spread is None else f", repetitions +- {100 * spread:.1f}"
    figures = [
        "",
        f"Hit ratio {theirs.hit_ratio:.1%} (bias {100 * agreement.hit_bias:+.1f} points"
        f"{beside}); "
        f"resumed {theirs.partial_ratio:.1%} (bias {100 * agreement.partial_bias:+.1f} points); "
        f"cut at step {theirs.cut_step:.2f} in the mean (bias {agreement.cut_bias:+.2f}); "
        f"saved steps a request {theirs.saved_steps:.2f} "
        f"(bias {ours.saved_steps - theirs.saved_steps:+.2f}); "
        f"mean Q {theirs.queue_s:.2f} s (bias {ours.queue_s - theirs.queue_s:+.2f}).",
    ]
    if pairs.mape is not None:
        r = "-" if pairs.correlation is None else f"{pairs.correlation:.3f}"
        figures.append(
            f"Of {pairs.requests} measured requests {pairs.matched} are the same, "
            f"{pairs.same_cut} of them cut at the same step: MAPE of the response "
            f"{pairs.mape:.1%}, r {r}."
        )
    misses = agreement.misses()
    figures += ["", *(f"* a measurement is {fault}" for fault in finding.faults)]
    figures += [f"* misses a bound: {line}" for line in misses]
    figures += [f"* {line}" for line in finding.explanation]
    return [*head, *rows, *figures, ""]


def write(folder: Path, findings: Sequence[Finding], run: Mapping[str, Any]) -> Path:
    """Write what there is of a validation; also before it is complete. Raises OSError."""
    text = [
        f"# {run['name']} on three roads",
        "",
        f"**{verdict(findings)}**",
        "",
        f"Command: `{run['command']}`. Policy {run['policy']}, seed {run['seed']}, "
        f"{run['duration_s']:g} s, arrival model {run['arrivals']}; {run['repetitions']} live "
        f"repetitions. Bias is the prediction less the measurement, figures are the "
        f"measurement's; +- is half the range of the live repetitions. Stages include their "
        f"queues.",
        "",
    ]
    for finding in findings:
        text += lines(finding)
    tree = {
        "run": dict(run),
        "verdict": verdict(findings),
        "findings": [
            {
                "point": finding.point.name,
                "edge_load": finding.point.edge_load,
                "judged": finding.point.judged,
                **finding.agreement.dict(),
                "faults": list(finding.faults),
                "explanation": list(finding.explanation),
            }
            for finding in findings
        ],
    }
    write_at_once(folder / "validation.json", json.dumps(tree, indent=1, allow_nan=False) + "\n")
    _write_table(folder / "table.csv", findings)
    page = folder / "validation.md"
    write_at_once(page, "\n".join(text))
    return page


def _stage_row(agreement: Agreement, stage: str) -> str:
    cells = [stage]
    errors = {error.quantity: error for error in agreement.stages if error.stage == stage}
    for quantity in ("mean", "p50", "p95"):
        error = errors.get(quantity)
        if error is None:
            cells += ["-", "-", "-"]
            continue
        mark = "" if error.within else " **!**"
        spread = "-" if error.spread is None else f"{1e3 * error.spread:.0f}"
        cells += [f"{1e3 * error.measured:z.0f}", f"{1e3 * error.bias:+z.1f}{mark}", spread]
    return f"| {' | '.join(cells)} |"


def _write_table(path: Path, findings: Sequence[Finding]) -> None:
    with replacing(path) as fresh, fresh.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(COLUMNS)
        for finding in findings:
            agreement = finding.agreement
            for error in agreement.stages:
                table.writerow(
                    [
                        finding.point.name,
                        agreement.predicted,
                        agreement.measured,
                        error.stage,
                        error.quantity,
                        error.predicted,
                        error.measured,
                        error.bias,
                        error.bound,
                        error.spread,
                        error.within,
                    ]
                )
