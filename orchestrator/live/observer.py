"""Who hears what becomes of a run's parts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Observer"]


def _nothing() -> None:
    """What is called where nobody has to know."""


@dataclass(frozen=True, kw_only=True)
class Observer:
    """What the slot loop and what it drives call when something happens.

    `announce` gets what a reader of the report should know, `death` what died and what follows
    from it; `renew_targets` is called when parts that export metrics have come or gone.
    """

    announce: Callable[[str], None]
    death: Callable[[str], None]
    renew_targets: Callable[[], None] = _nothing
