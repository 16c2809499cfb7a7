"""How far an experiment is, and for how long it will go on: a bar in a terminal, a line a point
where there is none."""

from __future__ import annotations

import sys
import time
from collections import defaultdict
from collections.abc import Iterable

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from orchestrator.evaluation.experiment.points import Point, title
from orchestrator.evaluation.experiment.pool import Outcome

__all__ = ["Progress", "duration"]


class Progress:
    """A context manager; `points` are those that are still to be played, `done` how many of `total`
    are there already, `jobs` how many are played side by side; None where nobody here knows, and
    no time left is told."""

    def __init__(self, points: Iterable[Point], total: int, jobs: int | None) -> None:
        self._left = {point.id: point for point in points}
        self._total = total
        self._jobs = None if jobs is None else max(1, min(jobs, len(self._left)))
        self._walls: dict[str, list[float]] = defaultdict(list)  # settings -> seconds a point
        self._began = time.monotonic()
        console = Console(file=sys.stderr)
        self._bar = None
        if console.is_terminal:
            self._bar = Bar(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TextColumn("{task.fields[left]}"),
                console=console,
                transient=True,
            )
            done = total - len(self._left)
            self._task = self._bar.add_task("points", total=total, completed=done, left="")

    def __enter__(self) -> Progress:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, *exc: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def ended(self, outcome: Outcome) -> None:
        """A point was played."""
        point = self._left.pop(outcome.id)
        self._walls[title(point.settings)].append(outcome.wall_s)
        left_s = self.left_s() if self._left else None
        left = "" if left_s is None else f"{duration(left_s)} left"
        done = self._total - len(self._left)
        text = f"{title(point.settings)}, seed {point.seed}"
        if point.repeat > 1:
            text += f", run {point.repeat}"
        if outcome.error is not None:
            text += f": failed: {outcome.error}"
        else:
            text += f": {outcome.wall_s:.1f} s"
        if self._bar is None:
            words = [f"{done} of {self._total}  {text}", left]
            print("; ".join(word for word in words if word), file=sys.stderr, flush=True)
            return
        if outcome.error is not None:
            self._bar.console.print(text, highlight=False, markup=False, soft_wrap=True)
        self._bar.update(self._task, completed=done, left=left)

    def left_s(self) -> float | None:
        """Wall seconds until all are played: each as long as those of its settings took so far, or
        as all did. None where it is not known how many are played side by side."""
        if self._jobs is None:
            return None
        every = [wall for walls in self._walls.values() for wall in walls]
        mean = sum(every) / len(every) if every else 0.0
        total = 0.0
        for point in self._left.values():
            walls = self._walls.get(title(point.settings))
            total += sum(walls) / len(walls) if walls else mean
        return total / self._jobs


def duration(seconds: float) -> str:
    """Seconds as people say them: 40 s, 3 min, 2 h 10 min."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"
