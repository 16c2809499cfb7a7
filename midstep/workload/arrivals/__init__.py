"""Arrival laws: when users ask. One small class a law; `open_law` picks the scenario's."""

from __future__ import annotations

from midstep.scenario import Scenario
from midstep.workload.arrivals.closed import ClosedLaw
from midstep.workload.arrivals.diurnal import DiurnalLaw
from midstep.workload.arrivals.law import Arrival, ArrivalLaw
from midstep.workload.arrivals.mmpp import MmppLaw
from midstep.workload.arrivals.poisson import PoissonLaw
from midstep.workload.arrivals.slotted import SlottedLaw

__all__ = [
    "Arrival",
    "ArrivalLaw",
    "ClosedLaw",
    "DiurnalLaw",
    "MmppLaw",
    "PoissonLaw",
    "SlottedLaw",
    "open_law",
]


def open_law(scenario: Scenario) -> ArrivalLaw:
    """The arrival law of a scenario."""
    arrivals = scenario.workload.arrivals
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
