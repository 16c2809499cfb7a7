"""A cache of finished pictures, as it is usually built: right whenever everybody wants the same
picture.

The edge runs all S steps of the user's own prompt and keeps the result, least recently used out
first; the device only decodes. A hit saves everything, but only for the same prompt to the letter.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from orchestrator.policies.base import policy
from orchestrator.policies.lru import Lru

__all__ = ["Final"]


@policy("final")
class Final(Lru):
    """LRU over finished pictures."""

    stores: ClassVar[Literal["intermediate", "final", "nothing"]] = "final"
