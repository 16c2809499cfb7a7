"""Split inference without a cache: the edge runs the user's own prompt, the device finishes it.

What mid-step caching gives up for its reuse: the edge's steps follow the user's whole prompt, so
that a cut may come at any step. Nothing is shared, and nothing is kept.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from orchestrator.policies.base import Kind, Policy, policy

__all__ = ["Split"]


@policy("split")
class Split(Policy):
    """A rule that keeps nothing, of the users' own prompts."""

    kind: ClassVar[Kind] = Kind.RULE
    stores: ClassVar[Literal["intermediate", "final", "nothing"]] = "nothing"
