"""A `midstep run` with a Ray of its own, as seen from outside: its processes, and the blows that
they get."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Protocol

import psutil

from tests.chaos.plan import PAUSE_S, Blow

__all__ = ["Patient", "part_of"]

LOOK_S = 0.1  # between two looks at the processes
TITLES = {"edge": "ray::EdgeActor", "host": "ray::HostActor", "learner": "ray::LearnerActor"}
PROGRAMS = {"raylet": "/raylet/raylet", "gcs": "/gcs/gcs_server"}
SIGNALS = {
    "kill": signal.SIGKILL,
    "stop": signal.SIGSTOP,
    "pause": signal.SIGSTOP,
    "interrupt": signal.SIGINT,
}

Process = tuple[int, float]  # its id, and when it began: ids are used again


class Wanted(Protocol):
    """A run that is wanted: for how long its users ask, and the arguments of `midstep run`."""

    @property
    def duration_s(self) -> float: ...
    def arguments(self) -> list[str]: ...


class Patient:
    """A run that is going on. `log` is what it says; `seen` every process that it has had below
    it, and what those are."""

    def __init__(self, plan: Wanted, folder: Path) -> None:
        self.folder = folder
        self._duration_s = plan.duration_s
        self.log = folder.with_suffix(".log")
        self.seen: dict[Process, str] = {}
        self.hit: list[str] = []  # what was done, in words
        self.hit_at: float | None = None  # the last blow, monotonic
        self.due: float | None = None  # when its users stop asking, monotonic; None: it never began
        command = [sys.executable, "-m", "orchestrator.cli", "run", *plan.arguments()]
        environment = {**os.environ, "COLUMNS": "200"}
        for name in ("RAY_ADDRESS", "RAY_AUTH_MODE"):
            environment.pop(name, None)
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [*command, "--out", str(folder)],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                env=environment,
                start_new_session=True,  # a signal meant for it is not for us
            )
        self.began = time.monotonic()
        self.centre = psutil.Process(self.process.pid)
        self._watch = threading.Thread(target=self._look_on, daemon=True)
        self._over = threading.Event()
        self._watch.start()

    def text(self) -> str:
        """What it has said so far."""
        return self.log.read_text(errors="replace")

    def strike(self, blow: Blow) -> None:
        """Wait for the blow's moment and deal it; nothing where the run, or the part, is gone."""
        if not self._await(blow):
            self.hit.append(f"no {blow.part} left to {blow.act}")
            return
        part = self._part(blow)
        if part is None:
            self.hit.append(f"no {blow.part} left to {blow.act}")
            return
        try:
            part.send_signal(SIGNALS[blow.act])
        except psutil.NoSuchProcess:
            self.hit.append(f"no {blow.part} left to {blow.act}")
            return
        self.hit_at = time.monotonic()
        at_s = self.hit_at - self.began
        self.hit.append(f"{blow.act} {blow.part} (pid {part.pid}) at {at_s:.1f} s")
        if blow.act == "pause":
            threading.Timer(PAUSE_S, _go_on, [part]).start()

    def wait(self, timeout_s: float) -> int | None:
        """Its exit status; None where it is still there after that long."""
        try:
            return self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None
        finally:
            self._over.set()
            self._watch.join()

    def left(self) -> dict[Process, str]:
        """Those of its processes that are still there, the centre among them."""
        there = {}
        for (pid, began), what in self.seen.items():
            if _is_there(pid, began):
                there[pid, began] = what
        return there

    def end(self) -> None:
        """End whatever is left, by its id."""
        for pid, _ in self.left():
            with contextlib.suppress(psutil.NoSuchProcess):
                psutil.Process(pid).kill()
        self.process.wait()

    def _await(self, blow: Blow) -> bool:
        """Wait until a blow is due; False where the run is over before."""
        start = self._until_start(blow)
        while start is None or time.monotonic() < start + blow.wait_s:
            if self.process.poll() is not None or self._over.is_set():
                return False
            time.sleep(LOOK_S / 2)
            if start is None:
                start = self._until_start(blow)
        return self.process.poll() is None

    def _until_start(self, blow: Blow) -> float | None:
        """When the blow's moment began; None where it has not."""
        if blow.moment == "start":
            there = blow.part == "centre" or self._part(blow) is not None
            return time.monotonic() if there else None
        if self.due is None:
            return None
        return self.due if blow.moment == "end" else self.due - self._duration_s

    def _part(self, blow: Blow) -> psutil.Process | None:
        if blow.part == "centre":
            return self.centre
        parts = []
        for process in self._below():
            if part_of(process) == blow.part:
                parts.append(process)
        parts.sort(key=lambda process: process.pid)
        return parts[int(blow.which * len(parts))] if parts else None

    def _below(self) -> list[psutil.Process]:
        try:
            return self.centre.children(recursive=True)
        except psutil.NoSuchProcess:
            return []

    def _look_on(self) -> None:
        """Note every process below the centre."""
        self.seen[self.centre.pid, self.centre.create_time()] = "centre"
        while not self._over.wait(LOOK_S):
            if self.due is None and "the store of" in self.text():
                self.due = time.monotonic() + self._duration_s
            for process in self._below():
                try:
                    what = part_of(process) or " ".join(process.cmdline())[:100]
                    key = (process.pid, process.create_time())
                except psutil.Error:
                    continue
                if what or key not in self.seen:
                    self.seen[key] = what


def part_of(process: psutil.Process) -> str | None:
    """Which part a process is; None where it is none."""
    try:
        words = process.cmdline()
    except psutil.Error:
        return None
    if not words:
        return None
    for part, title in TITLES.items():
        if words[0].startswith(title):
            return part
    for part, program in PROGRAMS.items():
        if words[0].endswith(program):
            return part
    return None


def _is_there(pid: int, began: float) -> bool:
    try:
        process = psutil.Process(pid)
        return process.create_time() == began and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _go_on(process: psutil.Process) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        process.send_signal(signal.SIGCONT)
