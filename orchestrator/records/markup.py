"""HTML of the report's tables and figures: everything that is shown is escaped; one unit of time a
table."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["MISSING", "TimeUnit", "number", "section", "table", "time_unit"]

MISSING = "–"


@dataclass(frozen=True)
class TimeUnit:
    """Seconds or milliseconds."""

    name: str
    per_second: float
    form: str

    def show(self, seconds: float | None) -> str:
        """A time without its unit."""
        return number(None if seconds is None else seconds * self.per_second, self.form)


SECONDS = TimeUnit("s", 1.0, "{:,.3f}")
MILLISECONDS = TimeUnit("ms", 1e3, "{:,.2f}")


def time_unit(seconds: Iterable[float | None]) -> TimeUnit:
    """The unit in which all of some times are shown: seconds where one of them has a second."""
    known = [abs(value) for value in seconds if value is not None]
    return SECONDS if known and max(known) >= 1 else MILLISECONDS


def number(value: float | None, form: str) -> str:
    """A number by a format, never -0; a dash where there is none."""
    if value is None:
        return MISSING
    text = form.format(value)
    return text if any(digit in text for digit in "123456789") else text.removeprefix("-")


def table(head: Sequence[str], lines: Iterable[Sequence[Any]]) -> str:
    """A table, its cells as text."""
    body = "".join(_row(line, "td") for line in lines)
    return f"<table>{_row(head, 'th') if any(head) else ''}{body}</table>"


def section(title: str, *parts: str) -> str:
    """A titled part of the page; nothing where it is empty."""
    body = "".join(parts)
    return f"<h2>{html.escape(title)}</h2>{body}" if body else ""


def _row(cells: Sequence[Any], tag: str) -> str:
    filled = "".join(f"<{tag}>{html.escape(str(cell))}</{tag}>" for cell in cells)
    return f"<tr>{filled}</tr>"
