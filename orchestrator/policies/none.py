"""No cache: the edge computes every output, and keeps none. What reuse is measured against."""

from __future__ import annotations

from orchestrator.policies.base import Policy, policy


@policy("none")
class Nothing(Policy):
    """Keeps nothing."""
