"""Roads of a validation: each takes a scenario and leaves a record of the same shape."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from midstep.scenario import Modes, Scenario
from orchestrator.evaluation.simulator.events import VIRTUAL_MODES
from orchestrator.records import summary
from orchestrator.records.run_reader import read_run

__all__ = ["LIVE", "SIMULATED", "VIRTUAL", "Record", "Road", "Roads"]

SIMULATED = "simulator"
VIRTUAL = "virtual time"
LIVE = "live"

# carries a scenario to its end and leaves a run's record in the folder; raises MidstepError
Road = Callable[[Scenario, Path], None]


class Record(NamedTuple):
    """A road's request and slot rows (docs/record.md), and the verdict on its own error."""

    requests: Sequence[Mapping[str, Any]]
    slots: Sequence[Mapping[str, Any]]
    verdict: str


@dataclass(frozen=True, kw_only=True)
class Roads:
    """The three roads. Each call keeps its record in `folder` and raises MidstepError."""

    simulate: Road
    virtual_time: Road
    on_the_wall: Road

    def simulated(self, scenario: Scenario, folder: Path) -> Record:
        """By discrete events, from the equations."""
        return _record(self.simulate, scenario, VIRTUAL_MODES, folder)

    def virtual(self, scenario: Scenario, folder: Path) -> Record:
        """The emulation in virtual time."""
        return _record(self.virtual_time, scenario, VIRTUAL_MODES, folder)

    def live(self, scenario: Scenario, folder: Path) -> Record:
        """The emulation on the wall clock, paced, between processes."""
        modes = Modes(denoiser="paced", wire="grpc", time_scale=scenario.modes.time_scale)
        return _record(self.on_the_wall, scenario, modes, folder)


def _record(road: Road, scenario: Scenario, modes: Modes, folder: Path) -> Record:
    scenario = scenario.model_copy(update={"modes": modes})
    folder.parent.mkdir(parents=True, exist_ok=True)
    road(scenario, folder)
    requests, slots = summary.measured(scenario, *read_run(folder))
    return Record(requests, slots, summary.read(folder)["verdict"])
