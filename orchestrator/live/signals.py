"""Ctrl-C and SIGTERM: the first stops the asking, the second everything."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

__all__ = ["interruptible", "stop_on_signals"]

_interrupted = threading.Event()


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Within it a Ctrl-C is KeyboardInterrupt, and is remembered: while Python imports, that
    exception can be raised where nobody hears it. A run asks for it when it begins."""
    _interrupted.clear()
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set handlers
        return
    before = signal.signal(signal.SIGINT, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def stop_on_signals(stopping: asyncio.Event, announce: Callable[[], None]) -> None:
    """Set `stopping` at the first SIGINT or SIGTERM, after `announce`; cancel this task at the
    second. An earlier Ctrl-C counts as the first.

    Call it again where a library has put a handler of its own in between.
    """
    loop = asyncio.get_running_loop()
    main = asyncio.current_task()

    def stop() -> None:
        if stopping.is_set() and main is not None:
            main.cancel()
            return
        announce()
        stopping.set()

    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stop)
    if _interrupted.is_set():
        _interrupted.clear()
        stop()


def _interrupt(number: int, frame: FrameType | None) -> None:
    _interrupted.set()
    raise KeyboardInterrupt
