"""No cache: the edge computes every output, and keeps none. What reuse is measured against."""

from __future__ import annotations

from typing import ClassVar

from orchestrator.policies.base import Kind, Policy, policy

__all__ = ["Nothing"]


@policy("none")
class Nothing(Policy):
    """A rule that keeps nothing."""

    kind: ClassVar[Kind] = Kind.RULE
