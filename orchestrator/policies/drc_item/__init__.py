"""Our scalable learner: one small network, shared by all items."""

from orchestrator.policies.drc_item import policy

__all__ = ["policy"]
