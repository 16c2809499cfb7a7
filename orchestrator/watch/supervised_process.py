"""Other people's programs beside a run, held so that none outlives it: also where the run itself is
killed."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

# Holds one child, and ends it when its own standard input closes: the kernel closes that whatever
# becomes of the run.
_HOLD = """
import os, subprocess, sys, threading
child = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)
def hold():
    while os.read(0, 1024):
        pass
    child.terminate()
    try:
        child.wait(8)
    except subprocess.TimeoutExpired:
        child.kill()
threading.Thread(target=hold, daemon=True).start()
os._exit(child.wait() & 127)
"""
__all__ = ["SupervisedProcess"]

GRACE_S = 12.0


class SupervisedProcess:
    """One program, in a session of its own: a Ctrl-C in the terminal is the run's alone. Raises
    OSError."""

    def __init__(
        self, command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self.log = log
        with log.open("w") as out:
            self._holder = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _HOLD, *command],
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=out,
                start_new_session=True,
                env={**os.environ, **(environment or {})},
            )

    @property
    def alive(self) -> bool:
        return self._holder.poll() is None

    def last_words(self) -> str:
        """The last line of its log."""
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"

    def end(self) -> None:
        """Ask it to end, wait, and insist."""
        assert self._holder.stdin is not None
        self._holder.stdin.close()
        try:
            self._holder.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._holder.pid, signal.SIGKILL)
            self._holder.wait()
