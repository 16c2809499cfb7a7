"""A run's journals on a disk that may be full: room that is kept for rows alone, and lines that are
whole."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

__all__ = ["RESERVE", "Reserve", "RowJournal", "is_full"]

RESERVE = ".reserve"  # the file's name
MOST_BYTES = 4_000_000  # some 3,000 requests' rows
SHARE = 8  # of the disk's free room, at most one part in so many


def is_full(error: OSError) -> bool:
    """Whether it is the disk's or the user's room that is at its end."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


class Reserve:
    """A file in a run's folder that takes room until the rows need it. It takes none where there
    is hardly any, or where the disk gives none in advance."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / RESERVE
        self.nbytes = 0
        with contextlib.suppress(OSError):
            size = min(MOST_BYTES, shutil.disk_usage(folder).free // SHARE)
            with self._path.open("xb") as file:
                os.posix_fallocate(file.fileno(), 0, size)
            self.nbytes = size

    def release(self) -> bool:
        """Give the room back; False where there is none to give any more."""
        held = self.nbytes > 0
        self.nbytes = 0
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)
        return held


class RowJournal:
    """A file of JSON lines, each on its way to the disk when `write` returns; `rows` is how many.
    `make_room` is called where the disk is full, and says whether it is worth another try. Raises
    OSError."""

    def __init__(self, path: Path, make_room: Callable[[], bool]) -> None:
        self._file = path.open("xb", buffering=0)
        self._make_room = make_room
        self._size = 0
        self.rows = 0

    @property
    def closed(self) -> bool:
        return self._file.closed

    def write(self, row: Mapping[str, Any]) -> None:
        """Add a row. Raises OSError, with no part of it in the file."""
        line = json.dumps(row).encode() + b"\n"
        rest = line
        while rest:
            try:
                rest = rest[self._file.write(rest) :]
            except OSError as error:
                if is_full(error) and self._make_room():
                    continue
                with contextlib.suppress(OSError):
                    self._file.seek(self._size)
                    self._file.truncate()
                raise
        self._size += len(line)
        self.rows += 1

    def close(self) -> None:
        """Close the file."""
        self._file.close()
