"""What faults do to a run and how long it takes to be as before, with and without a plan:
`python -m benchmarks.recovery [--seeds 5] [--policies drc,lru] [--out docs/recovery.csv]`.

The shipped scenario `faults` in virtual time, once for each policy and seed. A line of the CSV is
one event of one run; docs/faults.md has them by kind (`python -m deploy.faults_page`). Nothing here
depends on the machine.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import midstep
from orchestrator.records.run_reader import read_run

COLUMNS = (
    "policy",
    "seed",
    "place",
    "kind",
    "without_row",
    "lost",
    "p95_before_s",
    "p95_after_s",
    "hits_before",
    "hits_after",
    "back_s",
)


def events(policy: str, seed: int) -> list[dict[str, object]]:
    """The events of one run, each with what changed around it."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        run = midstep.run("faults", policy=policy, seed=seed, clock="virtual", out=out)
        missing = without_row(row["request_id"] for row in read_run(out)[0])
        return [
            {
                "policy": policy,
                "seed": seed,
                "place": effect["place"],
                "kind": effect["kind"],
                "without_row": missing,
                "lost": effect["after"]["lost"],
                "p95_before_s": _rounded(effect["before"]["p95_s"]),
                "p95_after_s": _rounded(effect["after"]["p95_s"]),
                "hits_before": _rounded(effect["before"]["hit_ratio"]),
                "hits_after": _rounded(effect["after"]["hit_ratio"]),
                "back_s": effect["back_s"],
            }
            for effect in run.effects
        ]


def without_row(request_ids: Iterable[str]) -> int:
    """How many requests of a run have no row: a user's are numbered from 0, none is left out."""
    last: defaultdict[str, int] = defaultdict(int)
    count = 0
    for request_id in request_ids:
        user, number = request_id.split("-")
        last[user] = max(last[user], int(number) + 1)
        count += 1
    return sum(last.values()) - count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--policies", default="drc,lru")
    parser.add_argument("--out", type=Path, default=Path("docs/recovery.csv"))
    args = parser.parse_args()
    with args.out.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        for policy in args.policies.split(","):
            for seed in range(1, args.seeds + 1):
                writer.writerows(events(policy, seed))
                file.flush()
                print(f"{policy}, seed {seed}", flush=True)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


if __name__ == "__main__":
    main()
