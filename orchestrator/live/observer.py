"""Callbacks for what happens to a run's parts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Observer"]


def _nothing(*_: object) -> None:
    """Do nothing: the default callback."""


@dataclass(frozen=True, kw_only=True)
class Observer:
    """Callbacks of the slot loop and the objects that it drives.

    `announce` gets what a reader of the report should know, `death` what died and what follows
    from it; `renew_targets` is called when parts that export metrics have come or gone; `ending`
    gets how many requests are in flight when users stop to ask, where they are waited for.
    """

    announce: Callable[[str], None]
    death: Callable[[str], None]
    renew_targets: Callable[[], None] = _nothing
    ending: Callable[[int], None] = _nothing
