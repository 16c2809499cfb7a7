"""A simulated run as a run's folder: `midstep report`, and what reads runs, read it as well."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from midstep.scenario import Modes, Scenario
from midstep.telemetry.record import RequestRow
from orchestrator.evaluation.simulator.events.simulation import Simulated
from orchestrator.records import summary
from orchestrator.records.recorder import Recorder
from orchestrator.records.rows import EndedRequest, SlotRow

__all__ = ["write_record"]

MODES = Modes(clock="virtual", denoiser="paced", wire="inprocess")


def write_record(folder: Path, scenario: Scenario, simulated: Simulated) -> dict[str, Any]:
    """Write a simulated run into `folder`, as a run leaves it: scenario.yaml, tables, summary.json
    with `run.road: simulated`. Its scenario is in virtual time, paced and in one process: so it is
    met again. Returns the summary's tree. Raises RecordError, OSError."""
    scenario = scenario.model_copy(update={"modes": MODES})
    recorder = Recorder(folder, scenario)
    recorder.ended(EndedRequest(RequestRow(**row), None) for row in simulated.requests)
    for slot in simulated.slots:
        recorder.slot(SlotRow(**slot))
    recorder.close()
    facts = summary.RunFacts(step_s=simulated.step_s)
    tree = summary.summarise(scenario, simulated.requests, simulated.slots, [], facts)
    tree["run"]["road"] = "simulated"
    summary.write(folder, tree)
    return tree
