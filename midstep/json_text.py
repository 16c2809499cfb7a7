"""JSON that somebody else may have written, or a disk may have damaged."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from midstep.units import excerpt

__all__ = ["parse_json"]


def parse_json(text: str | bytes, *, unique: bool = False) -> Any:
    """The tree of a JSON text. Raises ValueError for whatever is wrong with it: also where it is
    nested too deeply, for NaN and infinities, which are no JSON, and with `unique` for an object
    that has a key twice, of which JSON would take the last."""
    hook = _unique if unique else None
    try:
        return json.loads(text, parse_constant=_no_number, object_pairs_hook=hook)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    tree = dict(pairs)
    if len(tree) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"it has {excerpt(twice)} twice")
    return tree


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number")
