"""What runs that were killed have left on this machine, and who may read Ray's token."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from midstep.errors import EXIT_MISSED
from orchestrator.cluster.leavings import end_processes, forget, leavings
from orchestrator.doctor.findings import Finding, PlannedRun, ok, warn

__all__ = ["END", "end_leftovers", "leftovers", "token"]

END = "midstep doctor --end"
OTHERS = 0o077  # rights of the group and of everybody


def leftovers(plan: PlannedRun) -> Iterator[Finding]:
    """Processes of runs that were killed."""
    every = leavings()
    for one in every:
        yield warn("left over", str(one), f"{END} ends them")
    if not every:
        yield ok("left over", "nothing of earlier runs")


def token(plan: PlannedRun) -> Iterator[Finding]:
    """Ray's token: who has it runs code as this user, on the Ray of any run."""
    path = Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or Path.home() / ".ray" / "auth_token")
    try:
        mode = path.stat().st_mode
    except OSError:
        yield ok("Ray's token", "none is kept")
        return
    if mode & OTHERS:
        yield warn(
            "Ray's token",
            f"{path} may be read by others (mode {mode & 0o777:o})",
            f"chmod 600 {path}",
        )
    else:
        yield ok("Ray's token", "for this user alone")


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
