"""Text files of one prompt, or one key, a line."""

from __future__ import annotations

from pathlib import Path

from midstep.home import in_home

__all__ = ["LONGEST", "read_lines", "unreadable"]

LONGEST = 20_000  # characters of a line: ten times what an edge takes for a prompt
MOST_BYTES = 1 << 30  # of a file


def read_lines(path: str | Path) -> list[str]:
    """A UTF-8 file's lines without their ends, LF or CR LF, and without a byte order mark. Nothing
    else ends a line: a prompt may hold a form feed or U+2028. Raises OSError, ValueError
    (UnicodeDecodeError) for what is no list of prompts."""
    with in_home(path).open("rb") as file:
        data = file.read(MOST_BYTES + 1)  # a device's file has no end
    if len(data) > MOST_BYTES:
        raise ValueError(f"holds more than {MOST_BYTES >> 20} MiB")
    text = data.decode("utf-8-sig")
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    if not lines[-1]:
        lines.pop()  # what follows the last line's end is no line
    for number, line in enumerate(lines, 1):
        if len(line) > LONGEST:
            raise ValueError(f"line {number} has {len(line)} characters, the limit is {LONGEST}")
    return lines


def unreadable(error: OSError | ValueError) -> str:
    """Why `read_lines` raised, in a few words that follow the file's name."""
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    if isinstance(error, IsADirectoryError):
        return "is a folder; a text file is wanted"
    if isinstance(error, UnicodeDecodeError):
        return f"is no UTF-8 text: {error.reason} at byte {error.start}"
    if isinstance(error, OSError):
        return f"cannot be read: {error.strerror or error}"
    return str(error)
