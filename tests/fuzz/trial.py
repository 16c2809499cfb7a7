"""One input: what became of it, how long that took, and whether the log stayed clean."""

from __future__ import annotations

import contextlib
import io
import logging
import signal
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from types import FrameType

from midstep.errors import MidstepError
from tests.fuzz.kind import Kind

__all__ = ["LONGEST_LINE", "MOST_S", "Tally", "try_one"]

MOST_S = 2.0  # seconds of this thread's CPU time for one input
HANG_S = 30.0  # wall seconds after which it is broken off
LONGEST_LINE = 300  # characters of a message


@dataclass
class Tally:
    """Counts over the inputs of a kind; `faults` tell what must not be, each by its number."""

    accepted: int = 0
    refused: int = 0
    tracebacks: int = 0
    slow: int = 0
    lines: int = 0  # messages of several lines, or too long
    slowest_s: float = 0.0
    faults: dict[int, str] = field(default_factory=dict)

    @property
    def inputs(self) -> int:
        """All inputs."""
        return self.accepted + self.refused + self.tracebacks


class _Hang(BaseException):
    """The input took too long by the wall clock."""


class _Errors(logging.Handler):
    """Keeps what is logged with a traceback."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it."""
        self.texts.append(self.format(record))


def try_one(kind: Kind, seed: str, number: int, tally: Tally) -> None:
    """Give an input to the program, and count what became of it."""
    rng = Random(f"{seed}/{kind.name}/{number}")
    start_s = time.thread_time()
    with _watched() as errors, _alarm():
        try:
            kind.one(rng)
            outcome = ""
        except MidstepError as error:
            outcome = str(error)
        except (Exception, SystemExit, _Hang):
            outcome = ""
            errors.append(traceback.format_exc())
    spent_s = time.thread_time() - start_s
    tally.slowest_s = max(tally.slowest_s, spent_s)
    if errors:
        tally.tracebacks += 1
        tally.faults[number] = errors[-1]
    elif outcome:
        tally.refused += 1
    else:
        tally.accepted += 1
    if len(outcome) > LONGEST_LINE or "\n" in outcome:
        tally.lines += 1
        tally.faults[number] = f"a message of {len(outcome)} characters: {outcome[:400]!r}"
    if spent_s > MOST_S:
        tally.slow += 1
        tally.faults[number] = f"{spent_s:.1f} s of CPU time"


@contextlib.contextmanager
def _watched() -> Iterator[list[str]]:
    """Collect what is logged as an error, and what is written to stderr with a traceback."""
    handler = _Errors()
    logging.getLogger().addHandler(handler)
    out = io.StringIO()
    errors: list[str] = []
    try:
        with contextlib.redirect_stderr(out), contextlib.redirect_stdout(io.StringIO()):
            yield errors
    finally:
        logging.getLogger().removeHandler(handler)
        errors += [text for text in handler.texts if "Traceback" in text]
        if "Traceback" in out.getvalue():
            errors.append(out.getvalue())


@contextlib.contextmanager
def _alarm() -> Iterator[None]:
    """Break off after HANG_S."""

    def ring(number: int, frame: FrameType | None) -> None:
        raise _Hang(f"no end in {HANG_S:g} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, HANG_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
