"""The paper's algorithm: DRC, as it works and as printed, and the paper's second rival, its network
alone."""

from orchestrator.policies.drc import as_printed, dnn, policy

__all__ = ["as_printed", "dnn", "policy"]
