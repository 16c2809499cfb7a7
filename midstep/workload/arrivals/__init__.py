"""Arrival laws: when users ask. One small class a law; `open_law` picks the scenario's."""

from __future__ import annotations

from midstep.errors import ScenarioError
from midstep.scenario import Scenario
from midstep.workload.arrivals.closed import ClosedLaw
from midstep.workload.arrivals.diurnal import DiurnalLaw
from midstep.workload.arrivals.law import (
    NOT_RECORDED,
    Arrival,
    ArrivalLaw,
    due_before,
    next_arrival,
)
from midstep.workload.arrivals.mmpp import MmppLaw
from midstep.workload.arrivals.poisson import PoissonLaw
from midstep.workload.arrivals.recorded import RecordedLaw
from midstep.workload.arrivals.slotted import SlottedLaw
from midstep.workload.trace import Trace

__all__ = [
    "NOT_RECORDED",
    "Arrival",
    "ArrivalLaw",
    "ClosedLaw",
    "DiurnalLaw",
    "MmppLaw",
    "PoissonLaw",
    "RecordedLaw",
    "SlottedLaw",
    "due_before",
    "next_arrival",
    "open_law",
]


def open_law(scenario: Scenario, trace: Trace | None = None) -> ArrivalLaw:
    """The arrival law of a scenario; `trace`: the requests that its workload names, if any."""
    arrivals = scenario.workload.arrivals
    if arrivals.recorded is not None:
        if trace is None or trace.arrivals is None:
            raise ScenarioError(
                "workload.arrivals.recorded: no trace with instants is there; name one as "
                "workload.trace"
            )
        return RecordedLaw(trace, scenario.users)
    if arrivals.closed is not None:
        return ClosedLaw(arrivals.closed, scenario.seed)
    if arrivals.poisson is not None:
        return PoissonLaw(arrivals.poisson, scenario.seed)
    if arrivals.mmpp is not None:
        return MmppLaw(arrivals.mmpp, scenario.seed)
    if arrivals.diurnal is not None:
        return DiurnalLaw(arrivals.diurnal, scenario.seed)
    assert arrivals.slotted is not None  # Arrivals._one
    return SlottedLaw(arrivals.slotted, scenario.slot_seconds)
