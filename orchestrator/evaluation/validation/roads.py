"""Roads of a validation: each takes a scenario and leaves a record of the same shape."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from midstep.errors import RecordError
from midstep.scenario import Modes, Scenario
from orchestrator.live.inprocess import InProcess
from orchestrator.live.launch import ClusterKind, Options
from orchestrator.live.run import run
from orchestrator.records.recorder import read_run
from orchestrator.records.summary import read

__all__ = ["LIVE", "SIMULATED", "VIRTUAL", "Record", "live", "simulated", "virtual"]

SIMULATED = "simulator"
VIRTUAL = "virtual time"
LIVE = "live"


class Record(NamedTuple):
    """A road's request and slot rows (docs/record.md), and the verdict on its own error."""

    requests: Sequence[Mapping[str, Any]]
    slots: Sequence[Mapping[str, Any]]
    verdict: str


def simulated(scenario: Scenario) -> Record:
    """The event simulator's record."""
    from orchestrator.evaluation.simulator.events import simulate

    outcome = simulate(_timed(scenario, Modes(clock="virtual", denoiser="paced", wire="inprocess")))
    return Record(outcome.requests, outcome.slots, "VALID")


def virtual(scenario: Scenario, folder: Path) -> Record:
    """The emulation's record in virtual time, kept in `folder`. Raises MidstepError."""
    modes = Modes(clock="virtual", denoiser="paced", wire="inprocess")
    return _record(_timed(scenario, modes), folder, InProcess)


def live(scenario: Scenario, folder: Path, cluster: ClusterKind, address: str | None) -> Record:
    """The emulation's record on the wall clock, paced, in the processes that `cluster` starts, kept
    in `folder`. Raises MidstepError."""
    modes = Modes(denoiser="paced", wire="grpc", time_scale=scenario.modes.time_scale)
    return _record(_timed(scenario, modes), folder, cluster, address)


def _timed(scenario: Scenario, modes: Modes) -> Scenario:
    return scenario.model_copy(update={"modes": modes})


def _record(
    scenario: Scenario, folder: Path, cluster: ClusterKind, address: str | None = None
) -> Record:
    """Run, with what the run prints beside its folder, and read what it left. Raises RecordError
    where the run did not come to its end."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (
        folder.with_suffix(".log").open("w") as log,
        contextlib.redirect_stdout(log),
        contextlib.redirect_stderr(log),
    ):
        status = run(scenario, Options(out=str(folder), address=address), cluster)
    if status:
        raise RecordError(f"{folder}: the run ended with status {status}; {log.name} says why")
    requests, slots = read_run(folder)
    return Record(requests, slots, read(folder)["verdict"])
