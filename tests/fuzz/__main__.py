"""`python -m tests.fuzz --inputs 10000 --seed 1`: odd input, and what became of it."""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import gc
import sys
import tempfile
from pathlib import Path

import psutil

from tests.fuzz import KINDS
from tests.fuzz.kind import Kind
from tests.fuzz.trial import MOST_S, Tally, try_one

__all__ = ["main"]

HEAD = (
    "input",
    "inputs",
    "accepted",
    "refused",
    "tracebacks",
    f"beyond {MOST_S:g} s",
    "odd lines",
    "slowest",
    "MB",
)
WARM = 0.5  # of a kind's inputs, after which its memory is read for the first time
MOST_MB = 64.0  # that a kind may grow by after that: of calls, buffers of many sizes


def main(argv: list[str] | None = None) -> int:
    """Run the command; 1 where an input met a fault."""
    args = _options().parse_args(argv)
    chosen = {kind: share for kind, share in KINDS.items() if args.kind in (None, kind.name)}
    total = sum(chosen.values())
    print("".join(f"| {name} " for name in HEAD) + "|")
    print("|---" * len(HEAD) + "|")
    clean = True
    for kind, share in chosen.items():
        count = max(1, round(args.inputs * share / total))
        numbers = range(count) if args.number is None else [args.number]
        clean &= _run(kind, str(args.seed), numbers)
    return 0 if clean else 1


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=10_000, metavar="N", help="of all kinds")
    parser.add_argument("--seed", default="1", help="draws everything; a fault's is printed")
    parser.add_argument("--kind", choices=[kind.name for kind in KINDS], help="this one alone")
    parser.add_argument("--number", type=int, help="this input alone, as a fault was printed")
    return parser


def _run(kind: type[Kind], seed: str, numbers: range | list[int]) -> bool:
    """Try a kind's inputs and print their row; whether none met a fault."""
    tally = Tally()
    begun_mb = 0.0
    with tempfile.TemporaryDirectory(prefix="midstep-fuzz-") as folder:
        inputs = kind(Path(folder))
        try:
            for done, number in enumerate(numbers):
                if done == int(WARM * len(numbers)):
                    begun_mb = _memory_mb()
                try_one(inputs, seed, number, tally)
        finally:
            inputs.close()
    grown_mb = _memory_mb() - begun_mb
    print(
        f"| {kind.name} | {tally.inputs} | {tally.accepted} | {tally.refused} | "
        f"{tally.tracebacks} | {tally.slow} | {tally.lines} | {tally.slowest_s:.2f} s | "
        f"{grown_mb:+.0f} |",
        flush=True,
    )
    for number, text in tally.faults.items():
        print(f"--kind {kind.name} --seed {seed} --number {number}: {text}", file=sys.stderr)
    if grown_mb > MOST_MB:
        print(f"{kind.name}: memory grew by {grown_mb:.0f} MB", file=sys.stderr)
    return not tally.faults and grown_mb <= MOST_MB


def _memory_mb() -> float:
    """Resident memory, without what is freed and not given back to the system yet."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):  # glibc's alone
        ctypes.CDLL(None).malloc_trim(0)
    return psutil.Process().memory_info().rss / 1e6


if __name__ == "__main__":
    sys.exit(main())
