"""Progress of work whose share done is known: a bar in a terminal, else a line now and then."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

__all__ = ["Lines", "progress_bar"]

LEAST_S = 5.0  # between two lines
MOST_S = 60.0  # after which there is one, however little was done
STEP = 0.05  # of the work, for which there is one


@contextmanager
def progress_bar(title: str) -> Iterator[Callable[[float], None]]:
    """Progress on stderr; yields a function to call with each further share of the work that is
    done."""
    if not sys.stderr.isatty():
        yield Lines(title, lambda text: print(text, file=sys.stderr, flush=True)).advance
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(title, total=1.0)
        yield lambda share: progress.advance(task, share)


class Lines:
    """Progress as lines, for a log: the title at once, then how far the work is, at each further
    twentieth of it but not more often than every five seconds, and at least once a minute while it
    advances. `now` is a clock, seconds."""

    def __init__(
        self, title: str, say: Callable[[str], None], now: Callable[[], float] = time.monotonic
    ) -> None:
        self._say = say
        self._now = now
        self._began = now()
        self._done = 0.0
        self._line_at = self._began
        self._line_share = 0.0
        say(title)

    def advance(self, share: float) -> None:
        """A further share of the work is done."""
        self._done += share
        now = self._now()
        since = now - self._line_at
        enough = self._done - self._line_share >= STEP
        if since < LEAST_S or not (enough or since >= MOST_S):
            return
        elapsed = now - self._began
        left = elapsed * (1 - self._done) / self._done
        self._say(f"{self._done:.0%} after {_time(elapsed)}, about {_time(left)} to go")
        self._line_at = now
        self._line_share = self._done


def _time(seconds: float) -> str:
    whole = max(0, round(seconds))
    return f"{whole} s" if whole < 120 else f"{whole // 60} min {whole % 60:02} s"
