"""The simulation's time: what is due when."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from typing import Any

__all__ = ["Agenda"]


class Agenda:
    """Calls by the instant (seconds) at which they are due; of equal instants in the order in which
    they were entered. `now` is the instant of the call that is being made."""

    def __init__(self) -> None:
        self.now = 0.0
        self._due: list[tuple[float, int, Callable[[Any], None], Any]] = []
        self._order = itertools.count()

    def enter(self, when_s: float, call: Callable[[Any], None], what: Any) -> None:
        """Let `call(what)` be made at an instant."""
        heapq.heappush(self._due, (when_s, next(self._order), call, what))

    def advance(self, until_s: float) -> None:
        """Make the calls that are due before an instant; it is `now` then."""
        self.advance_while(lambda: True, until_s)
        self.now = until_s

    def advance_while(self, condition: Callable[[], bool], until_s: float) -> None:
        """Make the calls that are due before an instant, as long as a condition holds."""
        due = self._due
        while due and due[0][0] < until_s and condition():
            self.now, _, call, what = heapq.heappop(due)
            call(what)
