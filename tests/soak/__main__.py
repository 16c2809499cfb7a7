"""`python -m tests.soak --minutes 30`: a paced run at 80 % of what its edge computes, and whether
memory, descriptors, threads and response stay level and every request has its row.

Exit status 1 where something does not. Run it on a quiet machine: a response that a busy one
makes longer is no leak.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from orchestrator.records.run_reader import read_run
from tests.chaos.invariants import of_record, of_text
from tests.chaos.patient import Patient
from tests.soak.samples import Samples, growths
from tests.soak.wish import Wish

LOOK_S = 5.0  # between two looks at the processes
END_S = 120.0  # for the start and the end of the run
EDGE_S = 300.0  # of the responses that are compared: the first and the last so long
P95_SHARE = 0.05  # that they may differ by


def main() -> int:
    """Run the command; its exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0, metavar="N")
    parser.add_argument("--users", type=int, default=96, metavar="N", help="of about 120 that fit")
    parser.add_argument("--out", metavar="DIR", help="the run's folder (default: a new one)")
    arguments = parser.parse_args()
    seconds = 60.0 * arguments.minutes
    folder = Path(arguments.out or Path(tempfile.mkdtemp(prefix="midstep-soak-")) / "run")
    patient = Patient(Wish(users=arguments.users, seconds=seconds), folder)
    samples = Samples()
    end = time.monotonic() + seconds + END_S
    while patient.process.poll() is None and time.monotonic() < end:
        time.sleep(LOOK_S)
        if patient.due is not None and time.monotonic() < patient.due:
            samples.take(patient.seen)
    status = patient.wait(END_S)
    patient.end()
    faults = [] if status == 0 else [f"status {status}"]
    faults += of_text(patient.text()) + of_record(folder)
    faults += growths(samples)
    faults += _p95(folder, seconds)
    print(samples)
    rows, _ = read_run(folder)
    done = sum(row["result"] == "done" for row in rows)
    print(f"{len(rows)} rows, {done} done, record in {folder}")
    for fault in faults:
        print(f"BROKEN: {fault}")
    return 1 if faults else 0


def _p95(folder: Path, seconds: float) -> list[str]:
    """Where the response's p95 at the end is not that of the beginning."""
    rows, _ = read_run(folder)
    edge_s = min(EDGE_S, seconds / 4)
    done = [row for row in rows if row["result"] == "done"]
    first = [row["total_s"] for row in done if edge_s <= row["due_s"] < 2 * edge_s]
    last = [row["total_s"] for row in done if row["due_s"] >= seconds - edge_s]
    if not first or not last:
        return ["no responses to compare"]
    before, after = (_quantile(values, 0.95) for values in (first, last))
    print(f"p95 of the response {before:.3f} s at first, {after:.3f} s at last")
    if after <= (1 + P95_SHARE) * before:
        return []
    return [f"p95 of the response went from {before:.3f} to {after:.3f} s"]


def _quantile(values: list[float], share: float) -> float:
    return sorted(values)[int(share * (len(values) - 1))]


if __name__ == "__main__":
    sys.exit(main())
