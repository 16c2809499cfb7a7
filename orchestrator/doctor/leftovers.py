"""What runs that were killed have left on this machine."""

from __future__ import annotations

from collections.abc import Iterator

from midstep.errors import EXIT_MISSED
from orchestrator.cluster.leavings import end_processes, forget, leavings
from orchestrator.doctor.findings import Finding, PlannedRun, ok, warn

__all__ = ["END", "end_leftovers", "leftovers"]

END = "midstep doctor --end"


def leftovers(plan: PlannedRun) -> Iterator[Finding]:
    """Processes of runs that were killed."""
    every = leavings()
    for one in every:
        yield warn("left over", str(one), f"{END} ends them")
    if not every:
        yield ok("left over", "nothing of earlier runs")


def end_leftovers() -> int:
    """`midstep doctor --end`: end what killed runs have left; 0 where nothing is left then."""
    status = 0
    every = leavings()
    for one in every:
        still = end_processes(one.processes)
        if still:
            status = EXIT_MISSED
            ids = ", ".join(str(process.pid) for process in still)
            print(f"{one}: cannot be ended: {ids}")
            continue
        forget(one.centre)
        print(f"{one}: ended; `midstep report {one.centre.folder}` makes its report")
    if not every:
        print("nothing of earlier runs is left")
    return status
