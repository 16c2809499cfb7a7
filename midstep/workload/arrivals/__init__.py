"""Arrival laws: when users ask. One small class a law; `open_law` picks the scenario's."""

from __future__ import annotations

from midstep.scenario import Scenario
from midstep.workload.arrivals.closed import ClosedLaw
from midstep.workload.arrivals.law import Arrival, ArrivalLaw
from midstep.workload.arrivals.poisson import PoissonLaw

__all__ = ["Arrival", "ArrivalLaw", "ClosedLaw", "PoissonLaw", "open_law"]


def open_law(scenario: Scenario) -> ArrivalLaw:
    """The arrival law of a scenario."""
    arrivals = scenario.workload.arrivals
    if arrivals.closed is not None:
        return ClosedLaw(arrivals.closed, scenario.seed)
    assert arrivals.poisson is not None  # Arrivals._one
    return PoissonLaw(arrivals.poisson, scenario.seed)
