"""`python -m tests.chaos --runs N --seed S`: paced runs whose parts are killed and stopped at
random, and whether each record keeps what it promises.

Exit status 1 where one does not. A run that failed is played again by `--only NUMBER`, of the same
seed.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from tests.chaos.operation import Outcome, operate
from tests.chaos.plan import draw


def main() -> int:
    """Run the command; its exit status."""
    arguments = _parser().parse_args()
    numbers = range(arguments.first, arguments.first + arguments.runs)
    if arguments.only is not None:
        numbers = range(arguments.only, arguments.only + 1)
    folder = Path(arguments.out or tempfile.mkdtemp(prefix="midstep-chaos-"))
    folder.mkdir(parents=True, exist_ok=True)
    print(f"seed {arguments.seed}, records in {folder}", flush=True)
    outcomes: list[Outcome] = []
    for number in numbers:
        outcome = operate(draw(arguments.seed, number), folder / f"run-{number:03d}")
        outcomes.append(outcome)
        with (folder / "outcomes.jsonl").open("a") as journal:
            journal.write(json.dumps(outcome.dict()) + "\n")
        print(outcome, flush=True)
    broken = sum(bool(outcome.faults) for outcome in outcomes)
    rows = sum(outcome.rows for outcome in outcomes)
    slowest = max(outcome.ended_after_s for outcome in outcomes)
    struck = sum(outcome.struck for outcome in outcomes)
    print(
        f"{len(outcomes)} runs, {struck} of them struck, {rows} rows; {broken} runs broke a "
        f"promise; the slowest end came {slowest:.0f} s after it was due"
    )
    return 1 if broken else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--runs", type=int, default=10, metavar="N")
    parser.add_argument("--seed", type=int, default=1, metavar="S")
    parser.add_argument("--first", type=int, default=0, metavar="N", help="number of the first run")
    parser.add_argument("--only", type=int, metavar="N", help="the run of this number alone")
    parser.add_argument("--out", metavar="DIR", help="where records are kept (default: a new one)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
