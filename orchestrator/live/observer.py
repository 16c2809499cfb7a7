"""Callbacks for what happens to a run's parts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Observer"]


def _nothing(*_: object) -> None:
    """Do nothing: the default callback."""


def _never(name: str) -> bool:
    """Nobody's death is expected."""
    return False


@dataclass(frozen=True, kw_only=True)
class Observer:
    """Callbacks of the slot loop and the objects that it drives.

    `announce` gets what a reader of the report should know, `death` what died and what follows
    from it; `renew_targets` is called when parts that export metrics have come or gone; `ending`
    gets how many requests are in flight when users stop to ask, where they are waited for.
    `expects` says whether an event has brought about the death of the part of that name, which
    then counts as no death.
    """

    announce: Callable[[str], None]
    death: Callable[[str], None]
    renew_targets: Callable[[], None] = _nothing
    ending: Callable[[int], None] = _nothing
    expects: Callable[[str], bool] = _never

    def part_died(self, name: str, text: str) -> bool:
        """Tell of a part's death, and of what follows from it; whether an event has brought it
        about."""
        planned = self.expects(name)
        if planned:
            self.announce(text)
        else:
            self.death(text)
        return planned
