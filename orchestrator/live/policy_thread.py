"""The thread in which a policy's long calls run, while the event loop goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

__all__ = ["PolicyThread"]

T = TypeVar("T")


class PolicyThread:
    """One thread, or none where calls do not run `beside` everything else, as in virtual time."""

    def __init__(self, beside: bool) -> None:
        self.beside = beside
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="learner") if beside else None

    async def call(self, call: Callable[[], T]) -> T:
        """Run in the thread where there is one, else here."""
        if self._executor is None:
            return call()
        return await asyncio.get_running_loop().run_in_executor(self._executor, call)

    def close(self) -> None:
        """Begin nothing more; what runs is not awaited."""
        if self._executor is not None:
            self._executor.shutdown(wait=False)
