"""`midstep experiment`: play what is missing, and make the tables, plots and page of what is
there."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from midstep.errors import EXIT_DIED, OptionError
from orchestrator.evaluation.experiment import plots, table, wording
from orchestrator.evaluation.experiment.folder import Folder
from orchestrator.evaluation.experiment.measured import Measured, measure
from orchestrator.evaluation.experiment.page import About, page
from orchestrator.evaluation.experiment.plan import Plan
from orchestrator.evaluation.experiment.playing import Setup, check_points, play_missing
from orchestrator.evaluation.experiment.points import Point, baseline_of, expand
from orchestrator.evaluation.experiment.progress import duration
from orchestrator.records.folders import write_at_once

__all__ = ["Setup", "experiment"]

NARROW = 12  # characters of a column's head in one line
WIDE = 200  # columns of a table that goes to a file


def experiment(file: Path, plan: Plan, out: str | None, setup: Setup) -> int:
    """Play the plan of a file; the command's exit status, EXIT_DIED where points failed. Raises
    MidstepError, one line, for what is wrong from the start."""
    points = expand(plan, file)
    check_points(points, setup.check, file)
    folder = Folder(plan.name, out)
    text = file.read_text(encoding="utf-8")
    with folder.open(text):
        missing = [point for point in points if folder.whole(point) is None]
        _say_start(plan, folder, points, missing)
        try:
            play_missing(folder, points, missing, setup, keep=plan.road == "live")
        except KeyboardInterrupt:
            done = sum(folder.whole(point) is not None for point in points)
            _say(f"midstep: {done} of {len(points)} points are done; the same command goes on")
            raise
        return _close(folder, plan, text, points, setup.command)


def _close(folder: Folder, plan: Plan, text: str, points: Sequence[Point], command: str) -> int:
    """Tables, plots and page of the points that are there; the exit status."""
    runs = []
    failures = []
    programs = {}
    for point in points:
        whole = folder.whole(point)
        if whole is None:
            failures.append((point.id, folder.failure(point) or "it was not played"))
            continue
        runs.append(measure(point, folder.of(point), whole["wall_s"]))
        programs[json.dumps(whole["versions"], sort_keys=True)] = whole["versions"]
    for name, reason in failures:
        _say(f"midstep: {name} failed: {reason}; its traceback is in points/{name}/traceback.txt")
    cells = table.results(runs, baseline_of(plan))
    drawn = plots.plots(cells)
    about = About(
        plan=plan,
        text=text,
        command=command,
        point_command=_point_command(plan, folder.path, runs),
        versions=list(programs.values()),
        failures=failures,
        points=len(points),
        wall_s=sum(run.wall_s for run in runs),
    )
    try:
        _write(folder.path, runs, cells, drawn, page(about, cells, drawn))
    except OSError as error:
        raise OptionError(f"{folder.path}: cannot be written: {error}") from error
    if not runs:
        _say(f"midstep: no point was played to its end; {folder.path / 'experiment.html'} says why")
        return EXIT_DIED
    _show(plan, cells)
    invalid = sum(run.verdict != "VALID" for run in runs)
    if invalid:
        print(f"{invalid} of {len(runs)} runs are not VALID: the page and runs.csv say why")
    print(f"{folder.path / 'experiment.html'}; every figure: {folder.path / 'table.csv'}")
    return EXIT_DIED if failures else 0


def _write(
    path: Path,
    runs: Sequence[Measured],
    cells: Sequence[table.CellResult],
    drawn: Sequence[plots.Plot],
    html: str,
) -> None:
    """Write tables, plots and page; what an earlier command left of them does not stay."""
    for name, rows in (("runs", table.run_rows(runs)), ("table", table.cell_rows(cells))):
        if rows:
            table.write(path, name, rows)
        else:
            table.remove(path, name)
    (path / "plots").mkdir(exist_ok=True)
    for name, _, svg in drawn:
        write_at_once(path / "plots" / f"{name}.svg", svg)
    names = {f"{name}.svg" for name, _, _ in drawn}
    for plot in (path / "plots").glob("*.svg"):
        if plot.name not in names:
            plot.unlink()
    write_at_once(path / "experiment.html", html)


def _point_command(plan: Plan, path: Path, runs: Sequence[Measured]) -> str:
    """How one point is played alone; empty where no point's scenario can be: one with a policy's
    text in it is refused, as a file brings no code."""
    point = next((run.point for run in runs if run.point.scenario.policy.source is None), None)
    if point is None:
        return ""
    scenario = str(path / "points" / point.id / "scenario.yaml")
    words = ["midstep", "run", scenario]
    if plan.road == "simulate":
        policy = point.scenario.policy.name
        words = ["midstep", "simulate", scenario, "--policies", policy, "--seeds", "1"]
    return f"{shlex.join(words)}    # one point alone"


def _show(plan: Plan, cells: Sequence[table.CellResult]) -> None:
    """The table that people read."""
    console = Console()
    head, lines, bold = wording.main_table(cells, every=not console.is_terminal)
    shown = Table(title=plan.name, box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for number, name in enumerate(head):
        wrapped = name.replace("_per_", "\nper_") if len(name) > NARROW else name
        shown.add_column(wrapped, justify="right" if number else "left", vertical="bottom")
    marked = set(bold)
    for number, line in enumerate(lines):
        shown.add_row(
            *(f"{cell} *" if (number, n) in marked else cell for n, cell in enumerate(line))
        )
    if not console.is_terminal:
        console = Console(width=WIDE)
    console.print(shown)
    for remark in (*wording.arrivals(cells), wording.interval(cells), wording.by_chance(cells)):
        if remark:
            print(remark)


def _say_start(
    plan: Plan, folder: Folder, points: Sequence[Point], missing: Sequence[Point]
) -> None:
    done = len(points) - len(missing)
    before = f", {done} are there already" if done else ""
    length = f" of {duration(plan.duration_s)} each" if plan.duration_s else ""
    _say(
        f"midstep: {plan.name}, {len(points)} points{length} ({plan.road}){before}; in "
        f"{folder.path}"
    )


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
