"""`midstep compare`: runs that exist, request by request where the requests are the same."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from midstep.errors import OptionError, RecordError
from midstep.scenario import Scenario
from midstep.whole_file import replacing
from orchestrator.evaluation import pages
from orchestrator.evaluation.comparison.differences import Difference, means, paired
from orchestrator.evaluation.comparison.matching import Matching, Row, match
from orchestrator.records.arrivals import arrival_model
from orchestrator.records.folders import (
    claim_folder,
    read_scenario,
    released_on_failure,
    write_at_once,
)
from orchestrator.records.metrics import METRICS
from orchestrator.records.run_reader import read_run
from orchestrator.records.versions import versions
from orchestrator.records.warm_up import after_warm_up

__all__ = ["Pair", "Run", "compare", "pair", "read"]

PAGE = "compare.html"
TABLE = "compare.csv"
PLUS_MINUS = (
    "± is the half-width of a 95 % interval within the two runs, by batch means of the requests' "
    "own differences in the order in which they were due (none below 100 requests, or where the "
    "batches still depend on one another); * is larger than chance. It says nothing of another "
    "seed: for that, `midstep experiment`."
)
HEAD = (
    "run",
    "baseline",
    "metric",
    "unit",
    "baseline_mean",
    "run_mean",
    "difference",
    "ci95_batch_means",
    "requests",
    "larger_than_chance",
    "same_requests",
)
LABELS = {  # else a stage of the response
    "response_per_request_ms": "response, ms",
    "hit_ratio": "hit ratio, %",
    "partial_ratio": "resumed, %",
    "saved_steps": "saved steps",
    "edge_steps": "steps at the edge",
    "cut_step": "cut at step",
    "fidelity": "show their prompt, %",
}
SHARES = ("hit_ratio", "partial_ratio", "fidelity")
KEYS_SHOWN = 12  # of the scenario, where two runs differ


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run's record, as far as it is compared."""

    name: str
    folder: Path
    scenario: Scenario
    rows: Sequence[Row]


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A run beside the baseline: which requests are the same, what differs in them, and which keys
    of the scenario differ."""

    baseline: Run
    run: Run
    matching: Matching
    differences: Sequence[Difference]
    keys: Sequence[str]


def compare(folders: Sequence[Path], baseline: Path | None, out: str | None) -> int:
    """Print the comparison, and write it to `out`; the command's exit status. Raises RecordError,
    ScenarioError, OptionError."""
    ordered = _distinct(folders, baseline)
    if out is None:
        _compare(ordered, None)
        return 0
    folder = claim_folder("compare", out, PAGE, (TABLE,))
    with released_on_failure(folder, PAGE):
        _compare(ordered, folder)
    print(folder / PAGE)
    return 0


def read(folder: Path) -> Run:
    """A run's record, without its warm-up. Raises RecordError, ScenarioError."""
    every, _ = read_run(folder)
    scenario = read_scenario(folder)
    rows = after_warm_up(scenario, every)
    if not rows:
        raise RecordError(f"{folder}: the run has no request in its record")
    return Run(name=folder.resolve().name, folder=folder, scenario=scenario, rows=rows)


def pair(baseline: Run, run: Run) -> Pair:
    """Two runs, request by request; where fewer than nine in ten requests are the same, there are
    no differences of requests."""
    matching = match(baseline.rows, run.rows)
    return Pair(
        baseline=baseline,
        run=run,
        matching=matching,
        differences=paired(matching) if matching.same else [],
        keys=_different(baseline.scenario, run.scenario),
    )


def _compare(folders: Sequence[Path], into: Path | None) -> None:
    runs = [read(folder) for folder in folders]
    pairs = [pair(runs[0], run) for run in runs[1:]]
    for one in pairs:
        _show(one)
    print(PLUS_MINUS)
    if into is None:
        return
    try:
        _write(into, runs[0], pairs)
    except OSError as error:
        raise RecordError(f"{into}: cannot be written: {error}") from error


def _distinct(folders: Sequence[Path], baseline: Path | None) -> list[Path]:
    """The baseline first, and each once."""
    ordered = [*([] if baseline is None else [baseline]), *folders]
    by_path = {folder.resolve(): folder for folder in reversed(ordered)}
    names = dict.fromkeys(folder.resolve() for folder in ordered)
    if len(names) < 2:
        raise OptionError("compare: give at least two runs' folders, the baseline first")
    return [by_path[name] for name in names]


def _lines(one: Pair) -> list[list[str]]:
    """A line a figure: its name, the baseline's value, the run's, and the difference."""
    lines = []
    if one.differences:
        for gap in one.differences:
            scale, decimals = _form(gap.metric)
            half = "" if gap.half is None else f" ± {scale * gap.half:.{decimals}f}"
            lines.append(
                [
                    _label(gap.metric),
                    f"{scale * gap.first:.{decimals}f}",
                    f"{scale * gap.second:.{decimals}f}",
                    f"{scale * gap.mean:+.{decimals}f}{half}{' *' if gap.clear else ''}",
                ]
            )
        return lines
    before = means(one.baseline.rows)
    after = means(one.run.rows)
    for metric, first in before.items():
        second = after[metric]
        if first is not None and second is not None:
            scale, decimals = _form(metric)
            lines.append(
                [
                    _label(metric),
                    f"{scale * first:.{decimals}f}",
                    f"{scale * second:.{decimals}f}",
                    f"{scale * (second - first):+.{decimals}f}",
                ]
            )
    return lines


def _remarks(one: Pair) -> list[str]:
    """What the reader must know beside the numbers."""
    arrivals = dict.fromkeys(
        arrival_model(run.scenario.workload.arrivals) for run in (one.baseline, one.run)
    )
    lines = [f"{run.name}: {_results(run)}." for run in (one.baseline, one.run)]
    lines += [f"{one.matching.line()}.", *(f"Arrivals: {model}." for model in arrivals)]
    if one.matching.same:
        done = len(one.matching.done)
        lost = len(one.matching.pairs) - done
        lines.append(
            f"Paired request by request over the {done} that both finished"
            + (f"; {lost} that one of them did not are left out." if lost else ".")
        )
    else:
        lines.append(
            "The requests differ, so that nothing is paired: these are two runs' means, and "
            "their difference may be the requests'. With open arrivals (poisson) and one seed "
            "the requests are the same whatever the policy."
        )
    if one.keys:
        more = "" if len(one.keys) <= KEYS_SHOWN else f" and {len(one.keys) - KEYS_SHOWN} more"
        lines.append(f"The scenarios differ in {', '.join(one.keys[:KEYS_SHOWN])}{more}.")
    return lines


def _show(one: Pair) -> None:
    table = Table(
        title=f"{one.run.name} less {one.baseline.name}",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
    )
    for number, head in enumerate(_head(one)):
        table.add_column(head, justify="right" if number else "left", overflow="fold")
    for line in _lines(one):
        table.add_row(*line)
    Console().print(table)
    for remark in _remarks(one):
        print(remark)
    print()


def _write(folder: Path, baseline: Run, pairs: Sequence[Pair]) -> None:
    with replacing(folder / TABLE) as fresh, fresh.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEAD)
        for one in pairs:
            for gap in one.differences:
                writer.writerow(
                    [
                        one.run.name,
                        baseline.name,
                        gap.metric,
                        METRICS[gap.metric].unit,
                        gap.first,
                        gap.second,
                        gap.mean,
                        gap.half,
                        gap.requests,
                        gap.clear,
                        one.matching.share,
                    ]
                )
    parts: list[str] = []
    for one in pairs:
        parts.append(f"<h2>{pages.text(f'{one.run.name} less {baseline.name}')}</h2>")
        parts.append(pages.table(_head(one), _lines(one)))
        parts += map(pages.paragraph, _remarks(one))
    parts.append(pages.paragraph(PLUS_MINUS))
    programs = ", ".join(f"{name} {number}" for name, number in versions().items())
    parts.append(pages.paragraph(f"Compared by: {programs}."))
    write_at_once(folder / PAGE, pages.page(f"Against {baseline.name}", parts))


def _results(run: Run) -> str:
    """How many requests were done, rejected, failed."""
    counts = Counter(row["result"] for row in run.rows)
    return ", ".join(f"{count} {result}" for result, count in counts.most_common())


def _head(one: Pair) -> list[str]:
    names = [
        f"{label} ({run.scenario.policy.name}, seed {run.scenario.seed})"
        for label, run in (("baseline", one.baseline), ("run", one.run))
    ]
    return ["mean a request", *names, "paired difference" if one.differences else "not paired"]


def _label(metric: str) -> str:
    return LABELS.get(metric) or f"  {metric.split('_')[1]}, ms"


def _form(metric: str) -> tuple[float, int]:
    """What a figure is multiplied with, and its decimals."""
    if metric in SHARES:
        return 100.0, 2
    return (1.0, 2) if METRICS[metric].unit == "ms" else (1.0, 3)


def _different(first: Scenario, second: Scenario) -> list[str]:
    """The keys in which two scenarios differ, by their paths."""
    one = _flat(first.model_dump(mode="json", by_alias=True))
    other = _flat(second.model_dump(mode="json", by_alias=True))
    return [key for key in dict.fromkeys([*one, *other]) if one.get(key) != other.get(key)]


def _flat(tree: Any, prefix: str = "") -> dict[str, Any]:
    items: Any = ()
    if isinstance(tree, dict):
        items = tree.items()
    elif isinstance(tree, list):
        items = enumerate(tree)
    else:
        return {prefix: tree}
    flat: dict[str, Any] = {}
    for key, value in items:
        flat |= _flat(value, f"{prefix}.{key}" if prefix else str(key))
    return flat
