"""Write generated files that are committed, or with `--check` compare them."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
COLUMNS = 118  # of the prose in docs/


def paragraphs(text: str) -> str:
    """Fill the paragraphs of a page, which blank lines separate, to the docs' width."""
    return "\n\n".join(
        textwrap.fill(
            " ".join(paragraph.split()), COLUMNS, break_long_words=False, break_on_hyphens=False
        )
        for paragraph in text.strip().split("\n\n")
    )


def settle(files: Mapping[Path, str], command: str) -> int:
    """Write the files, or compare them where the command line has `--check`.

    The exit status: 0 written or equal, 1 a committed file differs.
    """
    if "--check" not in sys.argv:
        for path, text in files.items():
            path.write_text(text)
        return 0
    stale = [path for path, text in files.items() if not path.is_file() or path.read_text() != text]
    for path in stale:
        print(f"{path.relative_to(ROOT)} is not what its source says: run `{command}` and commit")
    return int(bool(stale))
