"""A guard beside a run that started a Ray: where the run is killed, it ends what that leaves.

A process of its own that holds one end of a pipe. It costs nothing while the run lives, and is gone
with it: a run that ends in order lets it go.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

from orchestrator.cluster.leavings import end_processes, forget, processes_of
from orchestrator.records.centre import Centre

__all__ = ["Guard", "watch"]

GRACE_S = 3.0  # in which Ray ends by itself what it can
PATIENCE_S = 20.0  # that processes may go on appearing: a Ray that is just starting
QUIET_S = 2.0  # without any: nothing is left
LOOK_S = 0.5
RELEASE = b"-"  # what a run that ends in order says
ROOT = Path(__file__).parents[2]


class Guard:
    """The guard of this process's run, as the run sees it. Raises OSError where none can be
    started."""

    def __init__(self, centre: Centre) -> None:
        call = (
            f"import sys; sys.path.insert(0, {str(ROOT)!r}); "
            f"from orchestrator.cluster.guard import watch; watch(sys.argv[1])"
        )
        self._process = subprocess.Popen(
            [sys.executable, "-c", call, json.dumps(asdict(centre))],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,  # no Ctrl-C is meant for it
        )

    def release(self) -> None:
        """Let it go: the run has ended what it started."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(RELEASE)
            self._process.stdin.close()
        except OSError:  # it is gone already
            pass
        try:
            self._process.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def watch(text: str) -> None:
    """Wait until the run ends, whose centre is in JSON; where it does not say so, end what it has
    left."""
    centre = Centre.of(json.loads(text))
    if sys.stdin.buffer.read() == RELEASE:
        return
    time.sleep(GRACE_S)
    end = time.monotonic() + PATIENCE_S
    quiet_since = time.monotonic()
    while time.monotonic() < end and time.monotonic() - quiet_since < QUIET_S:
        processes = processes_of(centre.pid)
        if processes:
            end_processes(processes)
            quiet_since = time.monotonic()
        time.sleep(LOOK_S)
    forget(centre)
