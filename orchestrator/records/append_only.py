"""A file of JSON lines that only grows: on the disk line by line, and whole after a torn end."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

__all__ = ["append_lines", "complete_lines", "whole_lines"]


def append_lines(path: Path, lines: Iterable[Mapping[str, Any]]) -> None:
    """Add lines, and return when they are on the disk. Raises OSError."""
    with path.open("a") as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)
        file.flush()
        os.fsync(file.fileno())


def complete_lines(path: Path) -> list[str]:
    """The lines of a file but a torn last one; the file stays as it is, somebody may be writing to
    it. Raises OSError, UnicodeDecodeError."""
    return _complete(path.read_bytes()).decode().splitlines()


def whole_lines(path: Path) -> list[str]:
    """The lines of a file of one's own, from which a torn last one is removed. Raises OSError,
    UnicodeDecodeError."""
    data = path.read_bytes()
    whole = _complete(data)
    if len(whole) < len(data):
        with path.open("r+b") as file:
            file.truncate(len(whole))
    return whole.decode().splitlines()


def _complete(data: bytes) -> bytes:
    return data[: data.rfind(b"\n") + 1]
