"""Write the golden files anew: `python -m tests.golden [NAME ...]`; say in the commit what changed
them."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.golden.cases import RUNS, SIMULATIONS, play_replay, play_run, play_simulation
from tests.golden.files import processor, write


def main(names: list[str]) -> None:
    """Play what is named, all without names, and write it."""
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        for case in RUNS:
            if not names or case in names:
                write(f"run-{case}", play_run(case, scratch / case))
        for case in SIMULATIONS:
            if not names or case in names:
                write(f"simulate-{case}", play_simulation(case, scratch / case))
        if not names or "replay" in names:
            write("replay", play_replay(scratch / "replay"))
    print(f"written on {processor()}")


if __name__ == "__main__":
    main(sys.argv[1:])
