"""What events may do to a live run."""

from __future__ import annotations

from orchestrator.live.faults.edges import Edges
from orchestrator.live.faults.handover import Handover
from orchestrator.live.faults.kills import Kills
from orchestrator.live.faults.links import Links
from orchestrator.live.faults.users import Users

__all__ = ["Injector"]


class Injector(Users, Links, Handover, Edges, Kills):
    """Implements `midstep.events.FaultyRun`, a base class for each of its protocols."""
