"""Text files of one prompt, or one key, a line."""

from __future__ import annotations

from pathlib import Path

__all__ = ["read_lines"]


def read_lines(path: str | Path) -> list[str]:
    """A UTF-8 file's lines without their ends, LF or CR LF, and without a byte order mark. Nothing
    else ends a line: a prompt may hold a form feed or U+2028. Raises OSError, UnicodeDecodeError.
    """
    text = Path(path).expanduser().read_bytes().decode("utf-8-sig")
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    if not lines[-1]:
        lines.pop()  # what follows the last line's end is no line
    return lines
