"""A run's figures drawn for a terminal: what `midstep top` shows, and `midstep run` where it has a
terminal.

Tables are lined up here and not by rich, whose own measure every cell several times: a run draws
this beside its work.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from midstep.telemetry.record import STAGES
from orchestrator.records.statistics import smallest_count
from orchestrator.watch.run_figures import EdgeFigures, RunFigures
from orchestrator.watch.tally import Tally

__all__ = ["ASCII_BARS", "BARS", "Screen", "sparkline"]

BARS = "▁▂▃▄▅▆▇█"
ASCII_BARS = "_.:-=+*#"

PERCENTILES = (50, 95, 99)
STYLES = {"VALID": "bold green", "INVALID": "bold red"}

Cells = list[str]


class Screen:
    """One picture of the figures as they are now; `state` is a word or two on the run: running,
    ended."""

    def __init__(self, figures: RunFigures, state: str) -> None:
        self._figures = figures
        self._state = state

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        figures = self._figures
        tallies = {name: edge.tally for name, edge in figures.edges.items()}
        total = Tally.of(tallies.values())
        yield Text(_heading(figures, self._state, total))
        verdict = figures.verdict()
        yield Text(verdict, style=STYLES.get(verdict.partition(":")[0], ""))
        blocks = (
            _beside(_lined_up(_stages(figures, total)), _lined_up(_fidelity(figures))),
            _lined_up(_edges(figures, tallies)),
            _lined_up(_learners(figures)),
            _history(figures, ASCII_BARS if options.ascii_only else BARS),
        )
        yield Text(
            "\n".join("\n".join(["", *block]) for block in blocks), no_wrap=True, overflow="crop"
        )
        for event in figures.events:
            yield Text(f"{event['at_s']:.1f} s: {event['text']}", style="yellow")


def sparkline(values: Iterable[float | None], top: float, bars: str = BARS) -> str:
    """A character a value, the last of `bars` for `top`; a blank where there is none."""
    steps = len(bars) - 1
    return "".join(
        " " if value is None else bars[min(steps, round(steps * value / top)) if top > 0 else 0]
        for value in values
    )


def _heading(figures: RunFigures, state: str, total: Tally) -> str:
    scenario = figures.scenario
    results = figures.results
    users = scenario.users if figures.users is None else figures.users
    so_far = (
        f"{figures.at_s:g} s in all"
        if figures.whole
        else f"{figures.at_s:g} of {scenario.duration_s:g} s"
    )
    seldom = [name for name in ("unfinished", "dropped") if results[name]]
    rest = "".join(f", {results[name]} {name}" for name in seldom)
    return (
        f"{scenario.name}: {state}, {so_far}, {users} users\n"
        f"{results['done']} done, {results['rejected']} rejected, {results['failed']} failed"
        f"{rest}; over the air "
        f"{_bytes(figures.frame_bytes)}, {_bytes(total.frame_bytes / figures.window_s)}/s"
    )


def _stages(figures: RunFigures, total: Tally) -> list[Cells]:
    over = "all of it" if figures.whole else f"last {figures.window_s:g} s"
    rows = [[over, *(f"p{q}" for q in PERCENTILES), "largest"]]
    shares = (*(q / 100 for q in PERCENTILES), 1.0)
    # of fewer requests than a percentile needs, the largest says as much
    enough_for = [*(total.done >= smallest_count(q) for q in PERCENTILES), True]
    for stage in STAGES:
        if stage == "uplink" and not total.mean_s(stage):
            continue  # nobody has start pictures
        quantiles = total.quantiles_s(stage, shares)
        pairs = zip(quantiles, enough_for, strict=True)
        rows.append([stage, *(_seconds(value if enough else None) for value, enough in pairs)])
    return rows


def _fidelity(figures: RunFigures) -> list[Cells]:
    rows = [["late, ms", "p50", "p99", "bound", "error"]]
    for error in figures.errors():
        times = (error.late_p50_ms, error.late_p99_ms, error.bound_ms)
        rows.append([error.part, *(f"{ms:.1f}" for ms in times), f"{error.relative_p50:.2%}"])
    return rows


def _edges(figures: RunFigures, tallies: Mapping[str, Tally]) -> list[Cells]:
    kinds = sorted({kind for tally in tallies.values() for kind in tally.reuse})
    head = ["edge", "users", "req/s", "hits", "cut", "saved/s", "queue", "at work", "store"]
    rows = [[*head, *kinds]]  # what a narrow terminal cuts off comes last
    for edge in figures.edges.values():
        tally = tallies[edge.name]
        newest = edge.newest
        seconds = max(1, len(edge.slots)) * figures.scenario.slot_seconds
        shares = [_share(tally.reuse[kind] / tally.done if tally.done else None) for kind in kinds]
        rows.append(
            [
                edge.name,
                _number(newest.get("users")),
                f"{edge.requests / seconds:.2f}",
                _share(edge.hit_ratio),
                _number(tally.mean_cut, ".1f"),
                f"{tally.saved_steps / seconds:.1f}",
                _number(newest.get("edge_queue")),
                _number(newest.get("edge_in_flight")),
                _store(edge),
                *shares,
            ]
        )
    return rows


def _learners(figures: RunFigures) -> list[Cells]:
    rows = [["learner", "policy", "Q", "drift+penalty", "gap", "loss", "K", "updates", "decision"]]
    for edge in figures.edges.values():
        newest = edge.newest
        rows.append(
            [
                edge.name,
                figures.scenario.policy.name,
                _seconds(newest.get("queue_s")),
                _number(newest.get("drift_plus_penalty"), ".3g"),
                _number(newest.get("gap_to_exact"), ".3f"),
                _number(newest.get("loss"), ".3g"),
                _number(newest.get("k")),
                _number(newest.get("updates")),
                _seconds(edge.decision_s),
            ]
        )
    return rows


def _history(figures: RunFigures, bars: str) -> list[str]:
    lines = []
    for edge in figures.edges.values():
        for name, values, full in (
            ("req/s", edge.rate, None),
            ("hits", edge.hits, 1.0),
            ("Q, s", edge.backlog, None),
        ):
            top = full or max((value for value in values if value is not None), default=0.0)
            label = name if len(figures.edges) == 1 else f"{edge.name} {name}"
            lines.append(
                f"{label:{len(label) - len(name) + 5}}  {sparkline(values, top, bars)}  up to "
                f"{top:.3g}"
            )
    return lines


def _lined_up(rows: Sequence[Cells]) -> list[str]:
    """The first column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            [
                first.ljust(widths[0]),
                *(cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True)),
            ]
        )
        for first, *rest in rows
    ]


def _beside(left: Sequence[str], right: Sequence[str]) -> list[str]:
    width = max(map(len, left)) + 4
    return [f"{a:{width}}{b}".rstrip() for a, b in zip_longest(left, right, fillvalue="")]


def _store(edge: EdgeFigures) -> str:
    return _share(
        edge.newest["store_bytes"] / edge.capacity if "store_bytes" in edge.newest else None
    )


def _number(value: float | None, form: str = "g") -> str:
    return "-" if value is None else f"{value:{form}}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"


def _seconds(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.2f} s" if value >= 1 else f"{1e3 * value:.3g} ms"


def _bytes(value: float) -> str:
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("KB", 1e3)):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value:.0f} B"
