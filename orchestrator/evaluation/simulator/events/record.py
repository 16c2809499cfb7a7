"""A simulated run as a run's folder: `midstep report`, and what reads runs, read it as well."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from midstep.errors import RecordError
from midstep.scenario import Modes, Scenario
from midstep.telemetry.record import RequestRow
from orchestrator.evaluation.simulator.events.simulation import Simulated
from orchestrator.records import summary
from orchestrator.records.recorder import Recorder
from orchestrator.records.rows import EndedRequest, SlotRow

__all__ = ["VIRTUAL_MODES", "write_record"]

VIRTUAL_MODES = Modes(clock="virtual", denoiser="paced", wire="inprocess")


def write_record(folder: Path, scenario: Scenario, simulated: Simulated) -> dict[str, Any]:
    """Write a simulated run into `folder`, as a run leaves it: scenario.yaml, tables, summary.json
    with `run.road: simulated`. Its scenario is in virtual time, paced and in one process: so it is
    met again. Returns the summary's tree. Raises RecordError."""
    scenario = scenario.model_copy(update={"modes": VIRTUAL_MODES})
    facts = summary.RunFacts(step_s=simulated.step_s)
    tree = summary.summarise(scenario, simulated.requests, simulated.slots, [], facts)
    tree["run"]["road"] = "simulated"
    try:
        recorder = Recorder(folder, scenario)
        recorder.ended(EndedRequest(RequestRow(**row), None) for row in simulated.requests)
        for slot in simulated.slots:
            recorder.slot(SlotRow(**slot))
        recorder.close()
        summary.write(folder, tree)
    except OSError as error:
        raise RecordError(f"{folder}: cannot be written: {error}") from error
    return tree
