"""Files that are whole or not there: written beside, and then put in place at once."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

__all__ = ["replacing", "write_at_once"]


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """The path of a file to be written in the block, beside `path`, which it replaces at the
    block's end: a reader sees the old file or the new one, whole. Where the block raises, as on a
    full disk, nothing is left of it."""
    unfinished = path.with_name(f"{path.name}.tmp")
    try:
        yield unfinished
        os.replace(unfinished, path)
    except BaseException:
        with contextlib.suppress(OSError):
            unfinished.unlink(missing_ok=True)  # its room is the journals'
        raise


def write_at_once(path: Path, content: bytes | str) -> None:
    """A reader sees the old file or the new one, whole. Raises OSError."""
    with replacing(path) as unfinished:
        unfinished.write_bytes(content if isinstance(content, bytes) else content.encode())
