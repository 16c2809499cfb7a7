"""Durations and sizes as people write them: `60s`, `2min`, `500KB`, `2MB`."""

from __future__ import annotations

import re

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


def seconds(value: object) -> float:
    """Seconds in `value`: a number, or text such as `90s`. Raises ValueError that says what would
    be right."""
    return _parse(value, _SECONDS, "a duration such as 60s, 500ms or 2min")


def size(value: object) -> int:
    """Bytes in `value`: a number, or text such as `500KB` (10^3) or `64KiB` (2^10). Raises
    ValueError."""
    return round(_parse(value, _BYTES, "a size such as 500KB, 2MB or 64KiB"))


def _parse(value: object, units: dict[str, float] | dict[str, int], right: str) -> float:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    match = re.fullmatch(r"\s*([0-9]*\.?[0-9]+)\s*([A-Za-z]*)\s*", str(value))
    if not match or match[2] not in units:
        raise ValueError(f"{value!r} is not {right}")
    return float(match[1]) * units[match[2]]
