"""Argument and result of a check: the planned run, and its findings."""

from __future__ import annotations

import importlib.metadata
import subprocess
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from midstep.diffusion.factory import measure, open_denoiser
from midstep.diffusion.profile import StepProfile
from midstep.scenario import Scenario
from orchestrator.cluster.head import surrounding

__all__ = [
    "Check",
    "Finding",
    "PlannedRun",
    "fail",
    "first_line",
    "needed",
    "ok",
    "version_of",
    "warn",
]


@dataclass(frozen=True)
class PlannedRun:
    """The run that is to work: its scenario, the Ray that it joins (None: its own), and whether to
    try what takes long."""

    scenario: Scenario
    address: str | None = None
    deep: bool = False

    @property
    def paced(self) -> bool:
        """Whether the run computes no tensor."""
        return self.scenario.modes.denoiser == "paced"

    @property
    def ray(self) -> bool:
        """Whether the run needs Ray, gRPC and ports."""
        return self.scenario.modes.wire == "grpc"

    @property
    def cluster(self) -> str | None:
        """The Ray that the run joins: the one named, or that of the environment, as `midstep
        run` does."""
        return self.address or surrounding()

    @cached_property
    def measured(self) -> StepProfile:
        """The model's step times on this machine; loads it. Raises ModelError."""
        return measure(
            open_denoiser(self.scenario, self.scenario.edges[0].threads), measured_on="this machine"
        )


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's: `fail` means that the planned run cannot work. `do` is what would
    change it."""

    state: Literal["ok", "warn", "fail"]
    name: str
    text: str
    do: str = ""


Check = Callable[[PlannedRun], Iterable[Finding]]


def ok(name: str, text: str) -> Finding:
    return Finding("ok", name, text)


def warn(name: str, text: str, do: str) -> Finding:
    return Finding("warn", name, text, do)


def fail(name: str, text: str, do: str) -> Finding:
    return Finding("fail", name, text, do)


def needed(really: bool, name: str, text: str, do: str) -> Finding:
    """A fault that is fatal only where the run needs the thing."""
    return (fail if really else warn)(name, text, do)


def version_of(package: str) -> str | None:
    """The installed version; None where it is not installed. Imports nothing."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def first_line(command: list[str], timeout_s: float) -> tuple[int, str]:
    """A program's exit status and the first line that it printed; status -1 where it did not answer
    in time."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=timeout_s, check=False
        )
    except subprocess.TimeoutExpired:
        return -1, f"no answer within {timeout_s:g} s"
    except OSError as error:
        return -1, str(error)
    lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    return done.returncode, lines[0].strip() if lines else ""
