"""Calls of Ray's that block, perhaps for ever, each in a thread that nobody has to wait for."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import TypeVar

__all__ = ["in_thread"]

T = TypeVar("T")


def in_thread(call: Callable[[], T], name: str, stays: bool = False) -> asyncio.Future[T]:
    """Begin a call in a daemon thread of its own; its outcome. Unlike an executor's, neither the
    loop's end nor the interpreter's waits for it. `stays`: the thread lives as long as the process;
    whoever starts Ray must, as Linux kills Ray's processes when the thread that started them
    ends."""
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[T] = loop.create_future()

    def make() -> None:
        try:
            result = call()
        except BaseException as error:  # whatever Ray raises; the loop's side says what it means
            _tell(loop, _fail, outcome, error)
        else:
            _tell(loop, _succeed, outcome, result)
            if stays:
                threading.Event().wait()

    threading.Thread(target=make, name=name, daemon=True).start()
    return outcome


def _tell(loop: asyncio.AbstractEventLoop, *call: object) -> None:
    with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
        loop.call_soon_threadsafe(*call)  # type: ignore[arg-type]


def _succeed(outcome: asyncio.Future[T], result: T) -> None:
    if not outcome.done():  # else nobody waits any more
        outcome.set_result(result)


def _fail(outcome: asyncio.Future[T], error: BaseException) -> None:
    if not outcome.done():
        outcome.set_exception(error)
