"""Files that are made from sources and committed: written, or with `--check` compared."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]


def settle(made: Mapping[Path, str], command: str) -> int:
    """Exit status: 0 written or equal, 1 with `--check` on the command line where a committed file
    differs."""
    if "--check" not in sys.argv:
        for path, text in made.items():
            path.write_text(text)
        return 0
    stale = [path for path, text in made.items() if not path.is_file() or path.read_text() != text]
    for path in stale:
        print(f"{path.relative_to(ROOT)} is not what its source says: run `{command}` and commit")
    return int(bool(stale))
