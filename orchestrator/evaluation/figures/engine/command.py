"""`midstep reproduce --engine`: Figures 8 to 10 by the engine's own code, beside the simulator's of
the same seeds and slots. Every run's record stays in the folder; what is there is not played
again."""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.markdown import Markdown

from midstep.errors import EXIT_DIED, OptionError, RecordError
from midstep.machine import usable_cores
from orchestrator.evaluation.figures import sweeps, values
from orchestrator.evaluation.figures.engine import page, playing, settings
from orchestrator.evaluation.figures.engine.differences import Difference, differences, write
from orchestrator.evaluation.figures.engine.playing import Setups
from orchestrator.evaluation.figures.values import Effort, Values
from orchestrator.evaluation.simulator.many import Workers
from orchestrator.records.folders import RUNS, write_at_once
from orchestrator.records.versions import versions
from orchestrator.watch.progress_bar import progress_bar

__all__ = ["EFFORT", "QUICK", "Options", "check", "compared", "made_with", "reproduce", "simulate"]

EFFORT = Effort(seeds=3, slots=120)
QUICK = Effort(seeds=2, slots=20, quick=True)
FOLDER = "reproduce-engine"
LEAST_SLOTS = 10


@dataclass(frozen=True, kw_only=True)
class Options:
    """What is played: figures and policies by name, how much of it, the folder (None:
    runs/reproduce-engine), how a plan is played, and the command as it was typed."""

    figures: Sequence[str]
    policies: Sequence[str] | None
    effort: Effort
    out: str | None
    setups: Setups
    command: str

    @property
    def folder(self) -> Path:
        """Where everything goes. Raises OptionError where it cannot be made."""
        path = RUNS / FOLDER if self.out is None else Path(self.out)
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OptionError(f"--out {path}: the folder cannot be made: {error}") from error
        return path


def chosen(names: Sequence[str]) -> list[str]:
    """The figures that are meant: all three where none is named. Raises OptionError."""
    for name in names:
        if name not in (*settings.FIGURES, "all"):
            raise OptionError(
                f"{name}: the engine plays {', '.join(settings.FIGURES)}; the others come without "
                f"--engine"
            )
    every = not names or "all" in names
    return [figure for figure in settings.FIGURES if every or figure in names]


def compared(policies: Sequence[str] | None) -> list[str]:
    """The paper's four, or these; `ncldc` is always there, as time is saved against it. Raises
    OptionError."""
    if policies is None:
        return list(sweeps.PAPER)
    sweeps.only(policies)
    return [name for name in (*sweeps.PAPER, *sweeps.BESIDE) if name in {*policies, "ncldc"}]


def check(effort: Effort) -> None:
    """Raise OptionError for an effort that says nothing."""
    if effort.seeds < 2 or effort.slots < LEAST_SLOTS:
        raise OptionError(
            f"--seeds {effort.seeds} --slots {effort.slots}: at least 2 seeds (for intervals) and "
            f"{LEAST_SLOTS} slots"
        )


def reproduce(options: Options) -> int:
    """Play, simulate, draw and compare; the command's exit status, EXIT_DIED where runs failed.
    Raises MidstepError, one line."""
    figures = chosen(options.figures)
    policies = compared(options.policies)
    effort = options.effort
    check(effort)
    folder = options.folder
    began = time.perf_counter()
    runs = [(point, policies) for figure in figures for point in settings.sweep(figure).values()]
    plan = settings.plan("engine", runs, effort, {})
    played = playing.play(plan, folder / "virtual", options.setups, options.command)
    size = effort.seeds, effort.slots
    engine = {
        figure: playing.values(figure, settings.sweep(figure), policies, size, played)
        for figure in figures
    }
    simulated = simulate(figures, policies, effort, folder / "simulated")
    try:
        by_figure = _compare(folder, simulated, engine)
        lines = _page(options, simulated, engine, by_figure, played)
        lines += ["", made_with(time.perf_counter() - began, played.wall_s)]
        write_at_once(folder / "engine.md", "\n".join(lines) + "\n")
        _write_rows(folder / "engine.json", by_figure, options)
    except OSError as error:
        raise RecordError(f"{folder}: cannot be written: {error}") from error
    Console().print(Markdown("\n".join(page.difference_table(by_figure))))
    print(f"{time.perf_counter() - began:.0f} s; {folder / 'engine.md'}")
    return EXIT_DIED if played.failures else 0


def simulate(
    figures: Sequence[str], policies: Sequence[str], effort: Effort, folder: Path
) -> dict[str, Values]:
    """The simulator's figures of the same seeds and slots; kept in `folder`. Raises RecordError
    where that cannot be written."""
    by_figure = {}
    known: sweeps.Known = {}
    swept = sweeps.only(policies)
    with Workers() as workers:
        for figure in figures:
            numbers = values.load(folder, figure, effort.seeds, effort.slots)
            if numbers is None or not set(policies) <= set(numbers.policies()):
                title = f"{figure} simulated, {effort.seeds} seeds, {effort.slots} slots"
                with progress_bar(title) as advance:
                    numbers = sweeps.play(swept[figure], effort, known, workers, advance)
                try:
                    folder.mkdir(parents=True, exist_ok=True)
                    numbers.save(folder)
                except OSError as error:
                    raise RecordError(f"{folder}: cannot be written: {error}") from error
            sweeps.remember(sweeps.SWEEPS[figure], numbers, known)
            by_figure[figure] = numbers
    return by_figure


def _compare(
    folder: Path, simulated: dict[str, Values], engine: dict[str, Values]
) -> dict[str, list[Difference]]:
    """Draw each figure and write its table; the differences by figure."""
    from orchestrator.evaluation.figures.engine import draw

    by_figure = {}
    for figure, of_engine in engine.items():
        rows = differences(simulated[figure], of_engine)
        write(folder / f"{figure}-engine.csv", rows)
        draw.over_one_another(simulated[figure], of_engine, folder / f"{figure}-engine.png")
        by_figure[figure] = rows
    return by_figure


def _page(
    options: Options,
    simulated: dict[str, Values],
    engine: dict[str, Values],
    by_figure: dict[str, list[Difference]],
    played: playing.Played,
) -> list[str]:
    effort = options.effort
    lines = ["# The paper's figures on the engine's own code", ""]
    lines += [
        f"`{options.command}`: {effort.seeds} seeds, {effort.slots} slots, of which the first "
        f"{effort.warmup} are not measured; scenario `paper` in virtual time, and the simulator's "
        f"`compact` on the same seeds and slots.",
        "",
        "## Furthest apart",
        "",
        "Engine above simulator, paired by seed, at the point and policy where they are furthest "
        "apart; ± half a 95 % interval.",
        "",
        *page.difference_table(by_figure),
    ]
    notes = page.note_lines(played)
    if notes:
        lines += ["", "## What did not come to its end", "", *notes]
    table = page.claims_table(simulated, engine)
    if len(table) > 2:  # claims are about drc
        lines += ["", "## Claim by claim", "", *table]
    return lines


def made_with(wall_s: float, runs_s: float) -> str:
    """Programs, machine, and how long it took, a line."""
    programs = versions()
    named = ", ".join(f"{name} {programs[name]}" for name in ("midstep", "python", "numpy"))
    return (
        f"{named}; {platform.system()} on {platform.machine()}, {usable_cores():g} cores; "
        f"{wall_s:.0f} s, runs of {runs_s:.0f} s in all, side by side."
    )


def _write_rows(path: Path, by_figure: dict[str, list[Difference]], options: Options) -> None:
    """The differences, for programs."""
    effort = options.effort
    rows = [
        {
            "figure": row.figure,
            "point": row.x,
            "policy": row.policy,
            "metric": row.metric,
            "simulated": _known(row.simulated[0]),
            "engine": _known(row.engine[0]),
            "percent": _known(row.percent[0]),
        }
        for rows in by_figure.values()
        for row in rows
    ]
    about = {"seeds": effort.seeds, "slots": effort.slots, "versions": versions()}
    write_at_once(path, json.dumps({"rows": rows, "run": about}, indent=1, allow_nan=False) + "\n")


def _known(value: float) -> float | None:
    """JSON has no nan."""
    return value if abs(value) < float("inf") else None
