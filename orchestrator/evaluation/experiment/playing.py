"""Points that are still to be played: refused before any is played, played side by side, each noted
as it ends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from midstep.errors import MidstepError, OptionError
from midstep.scenario import Scenario
from orchestrator.evaluation.experiment.folder import Folder
from orchestrator.evaluation.experiment.points import Point, title
from orchestrator.evaluation.experiment.pool import Executor, Outcome, Road, Task
from orchestrator.evaluation.experiment.progress import Progress

__all__ = ["Setup", "check_points", "play_missing"]


@dataclass(frozen=True, kw_only=True)
class Setup:
    """How an experiment is played: the road, what it refuses before anything is played, what runs
    the points and how many at a time (None: other machines do, as many as they can), the command as
    it was typed."""

    road: Road
    check: Callable[[Scenario], None]
    executor: Executor
    jobs: int | None
    command: str


def check_points(points: Sequence[Point], check: Callable[[Scenario], None], file: Path) -> None:
    """Raise OptionError where a point would be refused: nothing is played before all are right."""
    checked = set()
    for point in points:
        if point.cell in checked:
            continue
        checked.add(point.cell)
        try:
            check(point.scenario)
        except MidstepError as error:
            raise OptionError(f"{file}: {title(point.settings)}: {error}") from error


def play_missing(
    folder: Folder, points: Sequence[Point], missing: Sequence[Point], setup: Setup, keep: bool
) -> None:
    """Play the points that are missing of all; what broke off is kept beside where `keep` says so.
    Raises OptionError where the folder cannot be written."""
    by_id = {point.id: point for point in missing}
    tasks = []
    for point in missing:
        folder.clear(point, keep=keep)
        tasks.append(Task(id=point.id, scenario=point.scenario, folder=folder.of(point)))
    with Progress(missing, len(points), setup.jobs) as progress:
        for outcome in setup.executor(setup.road, tasks):
            _finish(folder, by_id[outcome.id], outcome)
            progress.ended(outcome)


def _finish(folder: Folder, point: Point, outcome: Outcome) -> None:
    try:
        folder.finish(point, outcome)
    except OSError as error:
        raise OptionError(f"{folder.path}: cannot be written: {error}") from error
