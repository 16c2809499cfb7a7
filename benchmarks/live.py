"""Policies against each other on a live edge near what it can compute: the same seed, the same
requests.

python -m benchmarks.live [--out DIR] [--duration 120s] [--policies
none,final,lru,s3-fifo,drc,drc-item]

Every run is `midstep run saturated --policy P`: processes, gRPC, shaped links; denoising is paced
with the default model's measured step times, because no laptop computes for 120 devices.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

POLICIES = "none,final,lru,s3-fifo,drc,drc-item"


def main() -> int:
    """Run what is not there yet, and print a Markdown table."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--out", default="runs/live")
    arguments.add_argument("--duration", default="120s")
    arguments.add_argument("--policies", default=POLICIES)
    given = arguments.parse_args()
    names = given.policies.split(",")
    for name in names:
        folder = Path(given.out) / name
        if not (folder / "summary.json").is_file():
            command = [
                sys.executable,
                "-m",
                "orchestrator.cli",
                "run",
                "saturated",
                "--policy",
                name,
            ]
            subprocess.run(
                [*command, "--duration", given.duration, "--out", str(folder)], check=True
            )
    print(
        "| policy | done | not served | hit ratio | edge part, mean | p95 | response, mean | p95 | "
        "verdict |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for name in names:
        print(row(name, Path(given.out) / name))
    return 0


def row(name: str, folder: Path) -> str:
    """One run: what its users saw. The edge's part is its queue and its computing."""
    told = json.loads((folder / "summary.json").read_text())
    rows = pq.read_table(folder / "requests.parquet").to_pylist()
    done = [r for r in rows if r["result"] == "done"]
    edge = np.array([r["queue_s"] + r["edge_s"] for r in done])
    total = np.array([r["total_s"] for r in done])
    hits = told["policies"][name]["hit_ratio"]["mean"]
    return (
        f"| `{name}` | {len(done)} | {len(rows) - len(done)} | {100 * hits:.1f} % | "
        f"{1e3 * edge.mean():.0f} ms | "
        f"{1e3 * np.percentile(edge, 95):.0f} ms | {total.mean():.2f} s | "
        f"{np.percentile(total, 95):.2f} s | "
        f"{told['verdict'].split(':')[0]} |"
    )


if __name__ == "__main__":
    sys.exit(main())
