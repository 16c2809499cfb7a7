"""What events may do to a live run."""

from __future__ import annotations

from orchestrator.live.faults.handover import Handover
from orchestrator.live.faults.users import Users

__all__ = ["Injector"]


class Injector(Handover, Users):
    """Implements `midstep.events.FaultyRun`, a base class for each of its protocols."""
