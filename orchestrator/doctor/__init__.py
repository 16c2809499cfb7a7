"""`midstep doctor`: what works on this machine, what does not, and what to do about it."""

from orchestrator.doctor.command import doctor
from orchestrator.doctor.findings import PlannedRun

__all__ = ["PlannedRun", "doctor"]
