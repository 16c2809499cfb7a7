"""Paths with a ~ for a user's home."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["in_home"]


def in_home(path: str | Path) -> Path:
    """The path with its ~ or ~user written out. Where there is no such user it stays as it is, and
    whoever opens the file says that it is not there: pathlib's own raises RuntimeError."""
    return Path(os.path.expanduser(path))
