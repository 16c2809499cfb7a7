"""Durations and sizes as people write them: `60s`, `2min`, `500KB`, `2MB`."""

from __future__ import annotations

import math
import re

__all__ = ["excerpt", "seconds", "size"]

_SECONDS = {"ms": 1e-3, "s": 1.0, "": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_BYTES = {
    "": 1,
    "B": 1,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
}
_EXCERPT = 60  # characters of a value that an error line shows


def seconds(value: object) -> float:
    """Seconds in `value`: a number, or text such as `90s`. Raises ValueError that says what would
    be right."""
    return _parse(value, _SECONDS, "a duration such as 60s, 500ms or 2min")


def size(value: object) -> int:
    """Bytes in `value`: a number, or text such as `500KB` (10^3) or `64KiB` (2^10). Raises
    ValueError."""
    return round(_parse(value, _BYTES, "a size such as 500KB, 2MB or 64KiB"))


def excerpt(value: object) -> str:
    """A value as an error line shows it: one line, at most 60 characters.

    Trees are named by their type alone: through YAML's aliases a short file can hold a tree of
    gigabytes.
    """
    if isinstance(value, str):
        text = repr(value[: _EXCERPT + 1])
    elif isinstance(value, int) and value.bit_length() > 64:
        text = "a number of more than 19 digits"
    elif value is None or isinstance(value, (bool, int, float)):
        text = repr(value)
    else:
        text = f"a {type(value).__name__}"
    return text if len(text) <= _EXCERPT else f"{text[: _EXCERPT - 3]}..."


def _parse(value: object, units: dict[str, float] | dict[str, int], right: str) -> float:
    """`value` in the unit whose factor is 1. Raises ValueError for what is no finite number."""
    try:
        number = _number(value, units)
    except OverflowError:  # an integer of more than 308 digits
        number = math.inf
    if number is None or not math.isfinite(number):
        raise ValueError(f"{excerpt(value)} is not {right}")
    return number


def _number(value: object, units: dict[str, float] | dict[str, int]) -> float | None:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, str):
        return None
    match = re.fullmatch(r"\s*([0-9]*\.?[0-9]+)\s*([A-Za-z]*)\s*", value)
    if not match or match[2] not in units:
        return None
    return float(match[1]) * units[match[2]]
