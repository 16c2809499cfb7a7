"""Processes that a killed run has left: found by the session of its Ray, named and ended."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from orchestrator.cli import main
from orchestrator.cluster.guard import Guard
from orchestrator.cluster.leavings import leavings, note, processes_of
from orchestrator.records.centre import Centre

# a Ray's process: it has a file of its session open, and is stopped
Killed = tuple[Centre, "subprocess.Popen[bytes]"]
SESSION = """
import os, signal, sys
log = open(sys.argv[1], "w")
print("open", flush=True)
os.kill(os.getpid(), signal.SIGSTOP)
"""


@pytest.fixture
def killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Killed]:
    """A centre that is gone, with a note, and a process of its Ray that is not."""
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    centre = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    mine = psutil.Process(centre.pid)
    gone = Centre(
        pid=centre.pid,
        began_s=mine.create_time(),
        machine=os.uname().nodename,
        folder=str(tmp_path / "run"),
    )
    note(gone)
    assert leavings() == [], "it lives"
    logs = tmp_path / "ray" / f"session_2026-01-01_00-00-00_000000_{centre.pid}" / "logs"
    logs.mkdir(parents=True)
    left = subprocess.Popen(
        [sys.executable, "-c", SESSION, str(logs / "worker.out"), "/opt/ray/worker.py"],
        stdout=subprocess.PIPE,
    )
    assert left.stdout is not None and left.stdout.readline() == b"open\n"
    centre.kill()
    centre.wait()
    yield gone, left
    left.kill()
    left.wait()


def test_what_a_killed_run_left_is_named_and_ended(
    killed: Killed, capsys: pytest.CaptureFixture[str]
) -> None:
    centre, left = killed
    log = next(Path(centre.folder).parent.glob("ray/*/logs/*"))
    with subprocess.Popen(["tail", "-f", str(log)]) as reader:
        assert [process.pid for process in processes_of(centre.pid)] == [left.pid]
        reader.kill()
    assert main(["report", str(Path(centre.folder))]) == 2
    said = capsys.readouterr().err.splitlines()[0]
    assert said == (
        f"midstep: a process of the run in {centre.folder}, which was killed (pid {centre.pid}): "
        f"still here; `midstep doctor --end` ends what is left"
    )
    assert main(["doctor", "--end"]) == 0
    assert not psutil.pid_exists(left.pid) and leavings() == []
    assert main(["doctor", "--end"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "nothing of earlier runs is left"


def test_an_id_that_is_used_again_is_somebody_elses(killed: Killed) -> None:
    centre, left = killed
    other = Centre(pid=os.getpid(), began_s=1.0, machine=centre.machine, folder="elsewhere")
    note(other)
    assert [one.centre for one in leavings()] == [centre]
    assert not other.alive and other.replaced and left.poll() is None


def test_a_guard_ends_what_its_run_leaves_and_goes_with_one_that_ends_in_order(
    killed: Killed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.cluster.guard.GRACE_S", 0.0)
    centre, left = killed
    Guard(centre).release()
    assert psutil.Process(left.pid).status() == psutil.STATUS_STOPPED
    guard = Guard(centre)
    assert guard._process.stdin is not None
    guard._process.stdin.close()  # as where the run is killed
    assert left.wait(10) == -signal.SIGKILL
    end = time.monotonic() + 10
    while leavings() and time.monotonic() < end:
        time.sleep(0.05)
    assert guard._process.wait(10) == 0
