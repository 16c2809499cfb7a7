"""What a rule for semantic cores does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

__all__ = ["CoreRule", "WholeRule"]


class CoreRule(Protocol):
    """Semantic cores of prompts of free text: what the edge is asked for, and what users share."""

    def cores(self, prompts: Sequence[str]) -> list[str]:
        """The core of each prompt, in their order; a prompt that has none is its own."""


class WholeRule:
    """See CoreRule: every prompt is its own core."""

    def cores(self, prompts: Sequence[str]) -> list[str]:
        return list(prompts)
