"""An experiment's figures as text: cells of tables, and what they mean."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.evaluation.experiment.paired import Against, Estimate
from orchestrator.evaluation.experiment.table import CellResult
from orchestrator.records.arrivals import arrival_model

__all__ = [
    "MAIN",
    "arrivals",
    "by_chance",
    "difference",
    "estimate",
    "interval",
    "main_table",
    "requests",
]

RESPONSE = "response_per_request_ms"
# metric -> the column's head, what its value is multiplied with, decimals
MAIN: Mapping[str, tuple[str, float, int]] = {
    RESPONSE: ("response, s", 1e-3, 3),
    "p95_s": ("p95, s", 1.0, 2),
    "hit_ratio": ("hits, %", 100.0, 1),
    "saved_steps": ("saved steps", 1.0, 2),
    "cut_step": ("cut", 1.0, 1),
    "fidelity": ("show their prompt, %", 100.0, 2),
}
# requests of a run that were not finished: a column where there were any
COUNTS = ("rejected", "failed", "unfinished", "dropped")
CHANCE = 0.05


def estimate(one: Estimate | None, scale: float, decimals: int, sign: bool = False) -> str:
    """Mean ± half-width, or `-`; with a sign where it is a difference."""
    if one is None or one.mean is None:
        return "-"
    form = f"{'+' if sign else ''}.{decimals}f"
    text = format(scale * one.mean, form)
    return text if one.half is None else f"{text} ± {scale * one.half:.{decimals}f}"


def difference(cell: CellResult, metric: str, scale: float, decimals: int) -> tuple[str, bool]:
    """A cell's paired difference as text, and whether it is larger than chance."""
    if cell.is_baseline:
        return "baseline", False
    one = None if cell.against is None else cell.against.differences.get(metric)
    return estimate(one, scale, decimals, sign=True), bool(one is not None and one.clear)


def main_table(
    cells: Sequence[CellResult], every: bool = True
) -> tuple[list[str], list[list[str]], list[tuple[int, int]]]:
    """Head, lines and the (line, column) of differences that are larger than chance; `every` False:
    of the response alone, for a terminal's width."""
    columns = {
        metric: column
        for metric, column in MAIN.items()
        if any(_known(cell, metric) for cell in cells)
    }
    differs = any(cell.against is not None for cell in cells)
    keys = list(dict.fromkeys(key for cell in cells for key in cell.settings))
    head = [*(_short(key, keys) for key in keys), "runs"]
    shown = [metric for metric in columns if differs and (every or metric == RESPONSE)]
    for metric, (name, _, _) in columns.items():
        head += [name, f"Δ {name}"] if metric in shown else [name]
    counts = [name for name in COUNTS if any(_count(cell, name) for cell in cells)]
    head += counts
    spread = any(_spread(cell) is not None for cell in cells)
    if spread:
        head.append("run to run, s")
    lines = []
    bold = []
    for number, cell in enumerate(cells):
        line = [_word(cell.settings.get(key)) for key in keys]
        line.append(str(len(cell.runs)))
        for metric, (_, scale, decimals) in columns.items():
            line.append(estimate(cell.estimates.get(metric), scale, decimals))
            if metric in shown:
                text, clear = difference(cell, metric, scale, decimals)
                if clear:
                    bold.append((number, len(line)))
                line.append(text)
        line += [f"{_count(cell, name):.0f}" for name in counts]
        if spread:
            value = _spread(cell)
            line.append("-" if value is None else f"{1e-3 * value:.3f}")
        lines.append(line)
    return head, lines, bold


def interval(cells: Sequence[CellResult]) -> str:
    """What ± is here, and over how many values."""
    kinds = dict.fromkeys(
        (one.n, one.over)
        for cell in cells
        for one in [cell.estimates.get(RESPONSE)]
        if one is not None
    )
    over = " or ".join(f"{n} {name}" for n, name in kinds) or "no run"
    text = (
        f"± is the half-width of a 95 % interval by Student's t, n = {over}. Δ is the paired "
        f"difference from the baseline at the same seed; in bold (on a terminal: *) where its "
        f"interval is without 0, so that it is larger than chance."
    )
    if any(_count(cell, name) for cell in cells for name in COUNTS):
        text += (
            " Responses are of requests that were finished: where many were not, the slowest are "
            "missing from them."
        )
    differences = [
        one.over
        for cell in cells
        if cell.against is not None
        for one in cell.against.differences.values()
    ]
    if "requests of one run" in differences:
        text += (
            " With one seed the interval of Δ is within the two runs, by batch means of the "
            "requests' own differences: it says nothing of another seed."
        )
    return text


def by_chance(cells: Sequence[CellResult]) -> str:
    """How many differences would look larger than chance if none were."""
    count = sum(cell.against is not None for cell in cells)
    if not count:
        return ""
    cells_are = "1 cell is" if count == 1 else f"{count} cells are"
    return (
        f"{cells_are} compared: of each metric about {CHANCE * count:.2g} would be marked if "
        f"nothing differed."
    )


def arrivals(cells: Sequence[CellResult]) -> list[str]:
    """The arrival models, how pairs were made, and what keeps them from being made by request."""
    scenarios = [run.point.scenario for cell in cells for run in cell.runs]
    models = dict.fromkeys(arrival_model(one.workload.arrivals) for one in scenarios)
    lines = [f"Arrivals: {model}." for model in models]
    paired = [cell.against for cell in cells if cell.against is not None]
    for pairing in dict.fromkeys(one.pairing for one in paired):
        members = [one for one in paired if one.pairing == pairing]
        shares = [one.share for one in members if one.share is not None]
        text = f"Paired {pairing}: {len(members)} of {len(paired)} differences"
        if shares:
            text += f", at least {min(shares):.1%} of the requests in common"
        text += _finished(members)
        notes = [one.note for one in members if one.note]
        lines.append(f"{text}{f' (such as: {notes[0]})' if notes else ''}.")
    return lines


def requests(cell: CellResult, metric: str) -> str:
    """Over how many requests a difference that is paired by request was taken, of how many; else
    `-`."""
    counts = None if cell.against is None else cell.against.requests.get(metric)
    return "-" if counts is None else f"{counts[0]} of {counts[1]}"


def _finished(members: Sequence[Against]) -> str:
    """The fewest requests that the responses' difference of a cell was taken over."""
    counts = [one.requests[RESPONSE] for one in members if RESPONSE in one.requests]
    if not counts:
        return ""
    least, most = min(counts, key=lambda count: count[0] / count[1])
    return f", responses over those that both runs finished (at least {least} of {most})"


def _short(key: str, keys: Sequence[str]) -> str:
    """A key's last part, or the whole where two keys end alike; `policy` for policy.name."""
    if key == "policy.name":
        return "policy"
    last = key.rpartition(".")[2]
    return last if sum(other.rpartition(".")[2] == last for other in keys) == 1 else key


def _known(cell: CellResult, metric: str) -> bool:
    one = cell.estimates.get(metric)
    return one is not None and one.mean is not None


def _word(value: Any) -> str:
    if value is None:
        return "-"
    return value if isinstance(value, str) else json.dumps(value)


def _count(cell: CellResult, name: str) -> float:
    one = cell.estimates.get(name)
    return (one.mean or 0.0) if one is not None else 0.0


def _spread(cell: CellResult) -> float | None:
    one = cell.estimates.get(RESPONSE)
    return None if one is None else one.spread
