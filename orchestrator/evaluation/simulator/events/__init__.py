"""A scenario by discrete events: the third road beside a live run and virtual time (docs/model.md,
"Three roads").

Written from the equations and from the description of a request's life. What it shares with a run
is what makes both the same world, and the same policies: draws, workload, channel and speed laws,
profiles, policies, the model of a cache. Edge, link and device are its own.
"""

from orchestrator.evaluation.simulator.events.record import VIRTUAL_MODES, write_record
from orchestrator.evaluation.simulator.events.refusals import check
from orchestrator.evaluation.simulator.events.simulation import Simulated, simulate

__all__ = ["VIRTUAL_MODES", "Simulated", "check", "simulate", "write_record"]
