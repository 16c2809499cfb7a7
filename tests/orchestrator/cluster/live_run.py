"""A live run in a process of its own, joined to the session's Ray: start it, look at it, end it,
read what it left."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from tests import paced

T = TypeVar("T")
PACED = ("--denoiser", "paced", "--set", f"model.profile={paced.profile_file()}")


class Live:
    """A `midstep run` that is going on."""

    def __init__(self, folder: Path, ray_address: str, *arguments: str) -> None:
        self.folder = folder
        command = [
            sys.executable,
            "-m",
            "orchestrator.cli",
            "run",
            "--address",
            ray_address,
            "--out",
            str(folder),
        ]
        self.log = folder.with_suffix(".log")
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [*command, *arguments],
                stdout=log,
                stderr=log,
                cwd=folder.parent,
                env={**os.environ, "COLUMNS": "200"},
            )

    def text(self) -> str:
        """What it has said so far."""
        return self.log.read_text()

    def targets(self) -> dict[str, str]:
        """Process -> exporter's address, once the file is there."""
        groups = self.until(
            lambda: json.loads((self.folder / "targets.json").read_text()), "targets.json"
        )
        return {group["labels"]["process"]: group["targets"][0] for group in groups}

    def scale(self, users: int, *arguments: str) -> subprocess.CompletedProcess[str]:
        """`midstep scale` of this run, to its end."""
        command = [
            sys.executable,
            "-m",
            "orchestrator.cli",
            "scale",
            str(self.folder),
            "--users",
            str(users),
        ]
        return subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=120)

    def edge_pid(self) -> int:
        """The edge's process."""
        return int(
            self.until(lambda: re.search(r"edge-0 at \S+ \(pid (\d+)\)", self.text()), "the edge")[
                1
            ]
        )

    def learner_pid(self) -> int:
        """The learner's process, the newest."""
        process_ids = self.until(
            lambda: re.findall(r"learner \(pid (\d+)\)", self.text()), "the learner"
        )
        return int(process_ids[-1])

    def until_slots(self, number: int) -> None:
        """Wait until so many slots have ended."""
        journal = self.folder / "slots.jsonl"
        self.until(lambda: journal.read_text().count("\n") >= number, f"{number} slots")

    def until_requests(self, number: int) -> None:
        """Wait until so many requests have ended."""
        journal = self.folder / "requests.jsonl"
        self.until(lambda: journal.read_text().count("\n") >= number, f"{number} requests")

    def signal(self, number: signal.Signals) -> None:
        """Send the command a signal."""
        self.process.send_signal(number)

    def end(self, timeout_s: float = 120) -> int:
        """Wait for its end; its exit status."""
        try:
            return self.process.wait(timeout_s)
        finally:
            self.process.kill()

    def until(self, look: Callable[[], T], what: str, timeout_s: float = 90) -> T:
        """Look until there is something to see."""
        end = time.monotonic() + timeout_s
        while time.monotonic() < end and self.process.poll() is None:
            try:
                if value := look():
                    return value
            except (OSError, ValueError):
                pass
            time.sleep(0.1)
        raise AssertionError(f"no {what}; the run said:\n{self.text()}")


@contextmanager
def live(folder: Path, ray_address: str, *arguments: str) -> Iterator[Live]:
    """A live run that does not outlive its test."""
    running = Live(folder, ray_address, *arguments)
    try:
        yield running
    finally:
        running.process.kill()
        running.process.wait()


def scrape(address: str) -> dict[str, float]:
    """Sample -> value of one exporter."""
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as reply:
        lines = reply.read().decode().splitlines()
    return {
        name: float(value)
        for name, _, value in (line.rpartition(" ") for line in lines if line[:1] != "#")
    }


def get_json(url: str) -> Any:
    """A GET whose answer is JSON."""
    with urllib.request.urlopen(url, timeout=10) as reply:
        return json.load(reply)
