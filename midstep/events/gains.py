"""Files of channel gains."""

from __future__ import annotations

import csv
import math
from itertools import pairwise

from midstep.errors import ScenarioError
from midstep.home import in_home
from midstep.units import excerpt

__all__ = ["read_gains"]

COLUMNS = ["at_s", "gain"]
MOST_BYTES = 10_000_000


def read_gains(path: str) -> tuple[tuple[float, float], ...]:
    """(seconds, gain) pairs of a CSV file with the columns at_s, from 0 on and rising, and gain,
    above 0. Raises ScenarioError, one line."""
    where = f"move.path: {path[-100:]}"
    try:
        with in_home(path).open("rb") as file:
            data = file.read(MOST_BYTES + 1)
        text = data.decode("utf-8-sig")
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise ScenarioError(f"{where}: cannot be read: {why}") from error
    if len(data) > MOST_BYTES:
        raise ScenarioError(f"{where}: is larger than {MOST_BYTES // 10**6} MB")
    lines = csv.reader(text.splitlines())
    try:
        if [name.strip() for name in next(lines, [])] != COLUMNS:
            raise ScenarioError(f"{where}: its first line has to be {','.join(COLUMNS)}")
        pairs = tuple(_pair(line, f"{where}, line {lines.line_num}") for line in lines if any(line))
    except csv.Error as error:
        raise ScenarioError(f"{where}, line {lines.line_num}: {error}") from error
    if not pairs or pairs[0][0] != 0:
        raise ScenarioError(f"{where}: its first row has to be at 0 s, the event's instant")
    for (before_s, _), (at_s, _) in pairwise(pairs):
        if at_s <= before_s:
            raise ScenarioError(f"{where}: {at_s:g} s is not after {before_s:g} s, the row above")
    return pairs


def _pair(line: list[str], where: str) -> tuple[float, float]:
    try:
        at_s, gain = (float(cell) for cell in line)
    except ValueError:
        at_s = gain = math.nan
    if not (math.isfinite(at_s) and math.isfinite(gain) and at_s >= 0 and gain > 0):
        raise ScenarioError(
            f"{where}: {excerpt(','.join(line))} is not a time in seconds and a gain above 0"
        )
    return at_s, gain
