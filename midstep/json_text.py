"""JSON that somebody else may have written, or a disk may have damaged."""

from __future__ import annotations

import json
from typing import Any, NoReturn

__all__ = ["parse_json"]


def parse_json(text: str | bytes) -> Any:
    """The tree of a JSON text. Raises ValueError for whatever is wrong with it: also where it is
    nested too deeply, and for NaN and infinities, which are no JSON."""
    try:
        return json.loads(text, parse_constant=_no_number)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number")
