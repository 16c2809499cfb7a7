"""Calls of Ray's that block, for ever where the cluster's head is gone: each in a thread of its
own, which nobody waits for at the run's end."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import TypeVar

from midstep.errors import PartDied

__all__ = ["beside"]

T = TypeVar("T")


async def beside(call: Callable[[], T], timeout_s: float) -> T:
    """Call in a thread. Raises PartDied where the head does not answer."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[T] = loop.create_future()

    def work() -> None:
        try:
            result = call()
        except Exception as error:  # whatever Ray raises without its head
            _tell(loop, answer, None, PartDied(f"the cluster's head does not answer: {error!r}"))
        else:
            _tell(loop, answer, result, None)

    threading.Thread(target=work, name="ray-call", daemon=True).start()
    try:
        return await asyncio.wait_for(answer, timeout_s)
    except TimeoutError as error:
        raise PartDied("the cluster's head does not answer") from error


def _tell(
    loop: asyncio.AbstractEventLoop,
    answer: asyncio.Future[T],
    result: T | None,
    error: PartDied | None,
) -> None:
    def settle() -> None:
        if answer.done():  # nobody waits any more
            return
        if error is not None:
            answer.set_exception(error)
        else:
            answer.set_result(result)  # type: ignore[arg-type]  # of that very call

    with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
        loop.call_soon_threadsafe(settle)
