"""What a host hands over of its devices: requests that have ended, and the error that ended a
device's task."""

from __future__ import annotations

import asyncio
from typing import Any

from midstep.errors import MidstepError, PartDied
from user_agent.finished import Finished

__all__ = ["Outbox"]


class Outbox:
    """Ended requests until somebody drains them; after the last of them, the first error of a
    device's task."""

    def __init__(self) -> None:
        self._ended: list[Finished] = []
        self._failure: Exception | None = None  # of a device's task; none should
        self._failure_due = False  # whether the rows before it have been handed over

    def add(self, finished: Finished) -> None:
        """Add a request that has ended, or was never sent."""
        self._ended.append(finished)

    def note(self, task: asyncio.Task[Any]) -> None:
        """Remember the first error that ended a device's task."""
        if task.cancelled():
            return
        error = task.exception()
        if isinstance(error, Exception) and self._failure is None:
            self._failure = error

    def drain(self) -> list[Finished]:
        """Requests that ended since the last call. Once they are returned, raises the error that
        ended a device's task, PartDied where it is no MidstepError."""
        ended = self._ended
        self._ended = []
        if self._failure is not None and (self._failure_due or not ended):
            if isinstance(self._failure, MidstepError):
                raise self._failure
            raise PartDied(
                f"a device failed: {type(self._failure).__name__}: {self._failure}"
            ) from self._failure
        self._failure_due = self._failure is not None
        return ended
