"""Text files of one prompt, or one key, a line."""

from __future__ import annotations

from pathlib import Path

__all__ = ["read_lines", "unreadable"]


def read_lines(path: str | Path) -> list[str]:
    """A UTF-8 file's lines without their ends, LF or CR LF, and without a byte order mark. Nothing
    else ends a line: a prompt may hold a form feed or U+2028. Raises OSError, UnicodeDecodeError.
    """
    text = Path(path).expanduser().read_bytes().decode("utf-8-sig")
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    if not lines[-1]:
        lines.pop()  # what follows the last line's end is no line
    return lines


def unreadable(error: OSError | UnicodeDecodeError) -> str:
    """Why `read_lines` raised, in a few words that follow the file's name."""
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    if isinstance(error, IsADirectoryError):
        return "is a folder; a text file is wanted"
    if isinstance(error, UnicodeDecodeError):
        return f"is no UTF-8 text: {error.reason} at byte {error.start}"
    return f"cannot be read: {error.strerror or error}"
