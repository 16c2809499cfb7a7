"""Compare policies on a live edge that is nearly saturated: the same seed, the same requests.

    python -m benchmarks.live [--out DIR] [--duration 120s] [--policies none,final,lru,...]

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
    """Run the policies whose record is missing, and print a Markdown table of all."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", default="runs/live")
    parser.add_argument("--duration", default="120s")
    parser.add_argument("--policies", default=POLICIES)
    options = parser.parse_args()
    names = options.policies.split(",")
    for name in names:
        folder = Path(options.out) / name
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
                [*command, "--duration", options.duration, "--out", str(folder)], check=True
            )
    first = json.loads((Path(options.out) / names[0] / "summary.json").read_text())
    ((law, settings),) = first["run"]["arrivals"].items()
    print(f"Arrivals: {law}, {', '.join(f'{name} {value}' for name, value in settings.items())}.\n")
    print(
        "| policy | done | not served | hit ratio | edge part, mean | p95 | response, mean | p95 | "
        "verdict |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for name in names:
        print(row(name, Path(options.out) / name))
    return 0


def row(name: str, folder: Path) -> str:
    """Table row of one run; the edge's part of a response is its queue and its computing."""
    summary = json.loads((folder / "summary.json").read_text())
    rows = pq.read_table(folder / "requests.parquet").to_pylist()
    done = [r for r in rows if r["result"] == "done"]
    edge = np.array([r["queue_s"] + r["edge_s"] for r in done])
    total = np.array([r["total_s"] for r in done])
    hits = summary["policies"][name]["hit_ratio"]["mean"]
    return (
        f"| `{name}` | {len(done)} | {len(rows) - len(done)} | {100 * hits:.1f} % | "
        f"{1e3 * edge.mean():.0f} ms | "
        f"{1e3 * np.percentile(edge, 95):.0f} ms | {total.mean():.2f} s | "
        f"{np.percentile(total, 95):.2f} s | "
        f"{summary['verdict'].split(':')[0]} |"
    )


if __name__ == "__main__":
    sys.exit(main())
