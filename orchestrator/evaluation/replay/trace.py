"""A trace: keys in the order in which they were asked for, and the problem that it poses.

Every output has size 1, so that a capacity is a number of outputs.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from midstep.errors import OptionError
from midstep.home import in_home
from midstep.workload.lines import unreadable
from orchestrator.decision.problem import Problem

__all__ = ["SPLIT_STEP", "STEPS", "Trace", "problem", "read_trace"]

# of what a hit saves a trace says nothing: one step for all
STEPS = 2
SPLIT_STEP = 1


@dataclass(frozen=True)
class Trace:
    """Keys in the order in which they were asked for; `skipped`: empty lines in the file."""

    name: str
    keys: tuple[str, ...]
    skipped: int
    distinct: int


def read_trace(path: str) -> Trace:
    """Read a file's lines, kept to the letter but for their ends. Raises OptionError: unreadable,
    not UTF-8, no row."""
    try:
        lines = in_home(path).read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise OptionError(f"trace: {path}: {unreadable(error)}") from error
    if not lines[-1]:
        lines.pop()  # what follows the last line's end is no line
    keys = tuple(line for line in lines if line.strip())
    if not keys:
        raise OptionError(f"trace: {path} holds no row: give one key a line")
    return Trace(Path(path).stem, keys, len(lines) - len(keys), len(set(keys)))


def problem(trace: Trace, capacity: int) -> Problem:
    """The trace as a policy sees it. Raises OptionError where nothing would fit."""
    if capacity < 1:
        raise OptionError(f"--capacity {capacity}: a cache holds at least 1")
    return Problem(
        capacity,
        STEPS,
        SPLIT_STEP,
        frame_bytes=1,
        reusable_steps=SPLIT_STEP,
        timing="access",
        future=trace.keys,
    )
