"""Measure what a request costs beyond its stages: gRPC, hand-overs, bookkeeping.

`python -m benchmarks.overhead [RUN]` reads a run's folder; without one it first runs the default
scenario for 40 s.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np

from orchestrator.cli import main as midstep
from orchestrator.records.run_reader import read_run


def main() -> int:
    """Print the quantiles of overhead_s and its share of a request."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(tempfile.mkdtemp()) / "run"
    if len(sys.argv) == 1 and midstep(["run", "--duration", "40s", "--out", str(folder)]):
        return 1
    rows = [row for row in read_run(folder)[0] if row["result"] == "done"]
    overhead = np.array([row["overhead_s"] for row in rows]) * 1e3
    share = np.median([row["overhead_s"] / row["total_s"] for row in rows])
    p50, p95, p99 = np.percentile(overhead, [50, 95, 99])
    print(
        f"overhead of {len(rows)} requests: p50 {p50:.2f} ms, p95 {p95:.2f} ms, p99 {p99:.2f} ms; "
        f"{share:.2%} of a request in the median"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
