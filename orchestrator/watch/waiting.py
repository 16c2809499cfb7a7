"""What a command waits for, said at once and again while it lasts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

__all__ = ["Waiting"]

EVERY_S = 10.0


class Waiting:
    """Says through `say` what begins (`enter`), and every ten seconds that it still lasts, until
    the context ends: a task in the loop that it is entered in."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._what: str | None = None
        self._since_s = 0.0
        self._due_s = 0.0
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Waiting:
        self._due_s = asyncio.get_running_loop().time() + EVERY_S
        self._task = asyncio.create_task(self._remind(), name="waiting")
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._task is not None:
            self._task.cancel()

    def enter(self, what: str) -> None:
        """Begin to wait for something else."""
        self._what = what
        self._since_s = asyncio.get_running_loop().time()
        self._due_s = self._since_s + EVERY_S
        self._say(what)

    async def _remind(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(max(0.0, self._due_s - loop.time()))
            if loop.time() < self._due_s:  # something else began meanwhile
                continue
            self._due_s += EVERY_S
            if self._what is not None:
                self._say(f"still {self._what}, for {loop.time() - self._since_s:.0f} s so far")
